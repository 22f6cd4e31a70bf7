#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# Were this to fail: a core does I/O, a service reaches into another, and nobody is told.
#
# Plants one violation of each house rule in a tree of its own and wants tidy to name it, at its
# line; then wants the same tree without them to be clean.
use strict;
use warnings;
use Cwd qw(abs_path);
use File::Basename qw(dirname);
use File::Path qw(make_path);
use File::Temp qw(tempdir);
use Test::More;

my $top = dirname(dirname(dirname(abs_path($0))));
my $tidy = "$top/tests/lib/tidy";
my $spdx = '// SPDX-License-Identifier: Apache-2.0';

sub put {
    my ($dir, $path, $text, $mode) = @_;
    make_path(dirname("$dir/$path"));
    open my $out, '>', "$dir/$path" or die "$path: $!";
    print $out $text;
    close $out;
    chmod $mode // 0644, "$dir/$path";
}

sub tree {
    my $dir = tempdir('xos-tidy.XXXXXX', TMPDIR => 1, CLEANUP => 1);
    system('cp', "$top/.clang-format", $dir) == 0 or die;
    put($dir, 'tests/unit/lease_test.c', "$spdx\nint main(void)\n{\n    return 0;\n}\n");
    return $dir;
}

sub tidy {
    my ($dir) = @_;
    my $said = `'$tidy' '$dir' 2>&1`;
    return ($said, $? >> 8);
}

sub body { return "$spdx\nint f(void);\nint f(void)\n{\n    $_[0]\n    return 0;\n}\n" }

my $marker = 'TO' . 'DO';
my $promise = 'for' . ' now';
my $place = '/wo' . 'rk/shared';
my $long = join '', map {"    x += $_;\n"} 1 .. 70;

# path, text, mode, line, what tidy must say on it
my @planted = (
    # include direction
    [ 'libxos/base/lease.c', "$spdx\n#include \"libxos/env/env.h\"\n", 0644, 2, 'libxos/base is below' ],
    [ 'libxos/wire/lease.c', "$spdx\n#include \"libxos/net/loop.h\"\n", 0644, 2, 'libxos/wire is below' ],
    [ 'libxos/net/lease.c', "$spdx\n#include \"libxos/store/store.h\"\n", 0644, 2, 'below or beside' ],
    [ 'libxos/store/lease.c', "$spdx\n#include \"vo-auth/auth.h\"\n", 0644, 2, 'below or beside' ],
    [ 'discovery/lease.c', "$spdx\n#include \"xfs-fuse/xfs.h\"\n", 0644, 2, 'below or beside' ],
    [ 'xfs-fuse/lease.c', "$spdx\n#include \"jobmgr/jobmgr.h\"\n", 0644, 2, 'below or beside' ],
    [ 'jobmgr/service/lease.c', "$spdx\n#include \"vo-auth/core/chain.h\"\n", 0644, 2, 'include its face' ],
    [ 'jobmgr/exec/lease.c', "$spdx\n#include \"vo-auth/core/grant.h\"\n", 0644, 2, 'include its face' ],
    [ 'xosd/lease.c', "$spdx\n#include \"jobmgr/core/job.h\"\n", 0644, 2, 'include its face' ],
    [ 'client/lease.c', "$spdx\n#include \"jobmgr/jobmgr.h\"\n", 0644, 2, 'below or beside' ],
    [ 'cmd/lease.c', "$spdx\n#include \"libxos/base/buf.h\"\n", 0644, 2, 'below or beside' ],
    [ 'cmd/lease.c', "$spdx\n#include \"client/call.h\"\n", 0644, 2, 'include <xos.h> alone' ],
    [ 'jobmgr/drmaa/lease.c', "$spdx\n#include \"jobmgr/jobmgr.h\"\n", 0644, 2, 'below or beside' ],
    [ 'jobmgr/core/lease.c', "$spdx\n#include \"libxos/env/env.h\"\n", 0644, 2, 'a core includes only' ],
    [ 'jobmgr/core/lease.c', "$spdx\n#include \"jobmgr/service/head.h\"\n", 0644, 2, 'knows nothing around' ],
    [ 'vo-auth/lease.c', "$spdx\n#include \"tests/lib/xtest.h\"\n", 0644, 2, 'no test code' ],
    # calls
    [ 'vo-auth/core/lease.c', body('time(NULL);'), 0644, 5, 'time(): let it come in' ],
    [ 'vo-auth/core/lease.c', body('int n = (int)read(0, 0, 0);'), 0644, 5, 'read(): let it come in' ],
    [ 'vo-auth/core/lease.c', body('xos_log(0, "x");'), 0644, 5, 'xos_log(): let it go out' ],
    [ 'vo-auth/core/lease.c', body('printf("x");'), 0644, 5, 'printf(): let it go out' ],
    [ 'vo-auth/core/lease.c', body('pthread_mutex_lock(0);'), 0644, 5, 'pthread_mutex_lock(): a core' ],
    [ 'vo-auth/core/lease.c', body('xos_env_random(0, 0, 0, 0);'), 0644, 5, 'xos_env_random(): let' ],
    [ 'vo-auth/core/lease.c', body('exit(1);'), 0644, 5, 'exit(): assert' ],
    [ 'vo-auth/core/lease.c', body('return open("x", 0);'), 0644, 5, 'open(): let it go out' ],
    [ 'xosd/lease.c', body('time(NULL);'), 0644, 5, 'time(): xos_env_real_ms' ],
    [ 'xosd/lease.c', body('int fd = open("x", 0);'), 0644, 5, 'open(): xos_env_file_open' ],
    [ 'libxos/net/lease.c', body('if (fork())'), 0644, 5, 'fork(): xos_env_spawn' ],
    [ 'vo-auth/ca/lease.c', body('RAND_bytes(0, 0);'), 0644, 5, 'RAND_bytes(): xos_env_random' ],
    [ 'jobmgr/service/lease.c', body('kill(1, 9);'), 0644, 5, 'kill(): xos_env_child_signal' ],
    [ 'jobmgr/service/lease.c', body('usleep(1);'), 0644, 5, 'usleep(): a timer' ],
    [ 'xosd/lease.c', body('(void)malloc(1);'), 0644, 5, 'malloc(): xos_alloc' ],
    [ 'xosd/lease.c', body('char *s = strdup("x");'), 0644, 5, 'strdup(): xos_strdup' ],
    [ 'xosd/lease.c', body('free(0);'), 0644, 5, 'free(): xos_free' ],
    [ 'xosd/lease.c', body('sprintf(0, "x");'), 0644, 5, 'sprintf(): snprintf' ],
    [ 'xosd/lease.c', body('strcpy(0, "x");'), 0644, 5, 'strcpy(): snprintf' ],
    [ 'xosd/lease.c', body('system("x");'), 0644, 5, 'system(): xos_env_spawn' ],
    [ 'tests/lib/lease.c', body('strcpy(0, "x");'), 0644, 5, 'strcpy(): snprintf' ],
    # shape
    [ 'xosd/lease.c', "$spdx\nvoid f(void);\nvoid f(void)\n{\n    int x = 0;\n$long}\n", 0644, 4,
        'a function of 73 lines' ],
    [ 'xosd/lease.c', "$spdx\n" . "int x;\n" x 1000, 0644, 1001, '1001 lines' ],
    [ 'xosd/lease.h', "$spdx\nint x;\n", 0644, 1, 'no header guard' ],
    [ 'xosd/lease.h', "$spdx\n#ifndef XOS_OTHER_H\n#define XOS_OTHER_H\n#endif\n", 0644, 1, 'XOS_…_LEASE_H' ],
    [ 'xosd/lease.c', "int x;\n", 0644, 1, 'no licence line' ],
    [ 'xosd/run.sh', "#!/bin/sh\ntrue\n", 0755, 1, 'no licence line' ],
    [ 'xosd/lease.c', "$spdx\nint x; // $marker later\n", 0644, 2, 'finish it' ],
    [ 'README.md', "It is so $promise.\n", 0644, 1, 'without a promise' ],
    [ 'README.md', "See $place.\n", 0644, 1, 'no path of one machine' ],
    [ 'xosd/lease.c', "$spdx\n/* -" . "--- leases ---- */\n", 0644, 2, 'no banners' ],
    [ 'xosd/lease.c', "$spdx\nint x; \n", 0644, 2, 'white space at the end' ],
    [ 'xosd/lease.c', "$spdx\nint\tx;\n", 0644, 2, 'a tab' ],
    [ 'xosd/lease.c', "$spdx\nint x;", 0644, 1, 'no newline' ],
    [ 'xosd/lease.c', "$spdx\nint x;\n", 0755, 1, 'executable, but no script' ],
    [ 'xosd/run', "#!/bin/sh\n# SPDX-License-Identifier: Apache-2.0\ntrue\n", 0644, 1, 'a script that is not' ],
    [ 'libxos/base/untried.c', "$spdx\nint x;\n", 0644, 1, 'no unit test' ],
    [ 'jobmgr/core/untried.c', "$spdx\nint x;\n", 0644, 1, 'no unit test' ],
);
push @planted, [ 'xosd/lease.c', "$spdx\nint   x;\n", 0644, 2, 'clang-formatted' ]
    if grep { -x "$_/clang-format" } split /:/, $ENV{PATH};
push @planted, [ 'xosd/run', "#!/bin/sh\n# SPDX-License-Identifier: Apache-2.0\ncd /; echo \${a[0]}\n", 0755, 3, 'SC' ]
    if grep { -x "$_/shellcheck" } split /:/, $ENV{PATH};

for my $row (@planted) {
    my ($path, $text, $mode, $line, $wanted) = @$row;
    my $dir = tree();
    put($dir, $path, $text, $mode);
    my ($said, $status) = tidy($dir);
    ok($status == 1 && $said =~ /^\Q$path:$line\E:.*\Q$wanted\E/m, "$path: $wanted") or diag($said);
}

# What looks like a violation and is none.
my @allowed = (
    [ 'vo-auth/core/lease.c', body('/* time() and open() */ f(); // read(0)') ],
    [ 'vo-auth/core/lease.c', body('const char *s = "malloc(1)";') ],
    [ 'xosd/lease.c', body('ops->open(1), ops.kill(2);') ],
    [ 'xosd/lease.c', "$spdx\nstatic int remove(int x);\n" ],
    [ 'jobmgr/service/lease.c', "$spdx\n#include \"discovery/discovery.pb-c.h\"\n#include \"vo-auth/auth.h\"\n" ],
    [ 'client/lease.c', "$spdx\n#include \"jobmgr/jobmgr.pb-c.h\"\n#include \"libxos/net/local.h\"\n" ],
    [ 'cmd/lease.c', "$spdx\n#include \"cmd/table.h\"\n#include <stdio.h>\n#include <xos.h>\n" ],
    [ 'jobmgr/judge/judge_lease.c', body('int pid = (int)fork();') ],
    [ 'jobmgr/core/lease_step.c', "$spdx\nint x;\n" ],
);
for my $row (@allowed) {
    my ($path, $text) = @$row;
    my $dir = tree();
    put($dir, $path, $text);
    my ($said, $status) = tidy($dir);
    is($status, 0, "$path is clean") or diag($said);
}
like((tidy(tree()))[0], qr/^tidy: \d+ files, 0 findings\n\z/m, 'the last line counts');
done_testing();
