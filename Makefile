# SPDX-License-Identifier: Apache-2.0
# The one Makefile. `make help` lists the targets.
#
# A folder of sources becomes one archive under $(B)/lib; a program is its own sources plus the
# archives that it may use; every tests/unit/**/NAME_test.c becomes one test program and every
# tests/fuzz/NAME_fuzz.c one fuzz target. Everything that is built lies under $(B), so that
# variants (asan, tsan, coverage) stand side by side.

VERSION := $(shell cat VERSION)
PREFIX ?= /usr
DESTDIR ?=
B ?= build
CC := $(if $(filter default,$(origin CC)),gcc,$(CC))
Q := $(if $(V),,@)
say = @printf '  %-7s %s\n' $(1) $(2)

# Flags

WARN := -Wall -Wextra -Wshadow -Wconversion -Werror
OPT ?= -O2 -g
HARDEN ?= -D_FORTIFY_SOURCE=2 -fstack-protector-strong
SANITIZE ?=

PKGS := libevent libevent_openssl libevent_pthreads libzmq libssl libcrypto sqlite3 libprotobuf-c inih jansson
# A build without one of these still builds, and says what it lacks.
HAVE_PQ := $(shell pkg-config --exists libpq && echo 1)
HAVE_SECCOMP := $(shell pkg-config --exists libseccomp && echo 1)
LACKS := $(strip $(if $(HAVE_PQ),,libpq (PostgreSQL stores)) $(if $(HAVE_SECCOMP),,libseccomp (system call filters)))
USED := $(PKGS) $(if $(HAVE_PQ),libpq) $(if $(HAVE_SECCOMP),libseccomp)

DEFS := -D_GNU_SOURCE -DXOS_BUILD_VERSION='"$(VERSION)"' $(if $(HAVE_PQ),-DXOS_HAVE_PQ) $(if $(HAVE_SECCOMP),-DXOS_HAVE_SECCOMP)
INCLUDES = -I. -I$(B)/gen -I client $(shell pkg-config --cflags-only-I $(USED) 2>/dev/null)
CFLAGS = -std=gnu11 -fPIC $(OPT) $(WARN) $(HARDEN) $(SANITIZE) -fvisibility=hidden
LDFLAGS = $(SANITIZE) -Wl,-z,relro,-z,now -Wl,--as-needed
LIBS = $(shell pkg-config --libs $(USED) 2>/dev/null) -lpthread -lm

# What is built

# Archives, from the ground up. A main file is in none of them.
MAINS := xosd/main.c cmd/main.c vo-auth/ca/main.c vo-auth/agent/main.c \
         jobmgr/exec/execd_main.c jobmgr/exec/shim_main.c jobmgr/exec/init_main.c
part = $(filter-out $(MAINS),$(sort $(foreach d,$(1),$(wildcard $(d)/*.c))))
SRC_base      := $(call part,libxos/base libxos/env libxos/wire libxos/net libxos/store)
SRC_auth      := $(call part,vo-auth vo-auth/core)
SRC_ca        := $(call part,vo-auth/ca)
SRC_agent     := $(call part,vo-auth/agent)
SRC_discovery := $(call part,discovery discovery/core discovery/query discovery/probe)
SRC_exec      := $(call part,jobmgr/exec)
SRC_judge     := $(call part,jobmgr/judge)
SRC_jobmgr    := $(call part,jobmgr jobmgr/core jobmgr/service jobmgr/backend)
SRC_xosd      := $(call part,xosd)
SRC_client    := $(call part,client)
SRC_cmd       := $(call part,cmd)
SRC_testlib   := $(wildcard tests/lib/*.c) $(filter-out %_sim.c,$(wildcard tests/sim/*.c))
ARCHIVES := base auth ca agent discovery exec judge jobmgr xosd client cmd testlib

# Programs: main file, then the archives it may use, top first.
PROGRAMS := xosd xos xos-ca xos-agent xos-execd xos-shim xos-init
xosd_MAIN := xosd/main.c
xosd_USES := xosd jobmgr judge exec discovery auth base
xos_MAIN := cmd/main.c
xos_USES := cmd client auth base
# A command lives for milliseconds, a fifth of which the dynamic linker would need for libcrypto.
# XOS_SHARED_CRYPTO=1 links it as all else does.
xos_LIBS = $(if $(XOS_SHARED_CRYPTO),,$(shell test -f "$$(pkg-config --variable=libdir libcrypto)/libcrypto.a" && echo -l:libcrypto.a))
xos-ca_MAIN := vo-auth/ca/main.c
xos-ca_USES := ca auth base
xos-agent_MAIN := vo-auth/agent/main.c
xos-agent_USES := agent auth base
xos-execd_MAIN := jobmgr/exec/execd_main.c
xos-execd_USES := exec judge jobmgr auth base
# The shim and the init are small and stand alone: static, libc and libseccomp only.
xos-shim_MAIN := jobmgr/exec/shim_main.c
xos-shim_USES := exec
xos-shim_LINK := -static
xos-init_MAIN := jobmgr/exec/init_main.c
xos-init_USES := exec
xos-init_LINK := -static
STATIC_LIBS := $(if $(HAVE_SECCOMP),-lseccomp)
# The everyday verbs that also stand alone, as links to xos.
SHORT := xrun xkill xwait xattach xps xsub xlog xnodes

PROTOS := $(sort $(foreach d,libxos vo-auth discovery jobmgr xosd,$(shell find $(d) -name '*.proto' 2>/dev/null)))
GEN_C := $(PROTOS:%.proto=$(B)/gen/%.pb-c.c)
GEN_H := $(PROTOS:%.proto=$(B)/gen/%.pb-c.h)
# A proto's messages go into the archive of its folder.
gen_for = $(patsubst %.proto,$(B)/obj/gen/%.pb-c.o,$(filter $(1)/%,$(PROTOS)))
GEN_base      := $(call gen_for,libxos)
GEN_auth      := $(call gen_for,vo-auth)
GEN_discovery := $(call gen_for,discovery)
GEN_jobmgr    := $(call gen_for,jobmgr)
GEN_xosd      := $(call gen_for,xosd)
# What a client says and hears is these messages.
GEN_client    := $(call gen_for,jobmgr) $(call gen_for,xosd) $(call gen_for,discovery)

here = $(wildcard $($(1)_MAIN))
BUILT := $(foreach p,$(PROGRAMS),$(if $(call here,$(p)),$(p)))
UNIT_SRC := $(shell find tests/unit -name '*_test.c' 2>/dev/null | sort)
UNIT := $(UNIT_SRC:tests/%.c=$(B)/tests/%)
SIM_SRC := $(sort $(wildcard tests/sim/*_sim.c))
SIM := $(SIM_SRC:tests/%.c=$(B)/tests/%)
FUZZ_SRC := $(sort $(wildcard tests/fuzz/*_fuzz.c))
FUZZ := $(FUZZ_SRC:tests/fuzz/%.c=$(B)/fuzz/%)
BENCH_SRC := $(sort $(wildcard tests/bench/*_bench.c))
BENCH := $(BENCH_SRC:tests/%.c=$(B)/tests/%)
SOURCES := $(shell git ls-files -co --exclude-standard '*.c' '*.h' 2>/dev/null)

.PHONY: all programs libraries links tests lacks
all: programs libraries links lacks
lacks:
	$(if $(LACKS),@echo 'built without: $(LACKS)',@:)
programs: $(BUILT:%=$(B)/bin/%)
links: $(if $(wildcard cmd/main.c),$(SHORT:%=$(B)/bin/%))
libraries: $(if $(SRC_client),$(B)/lib/libxos.so $(B)/lib/libxos.a)
# Some tests start the programs.
tests: programs links $(UNIT) $(SIM) $(B)/tests/print_docs $(B)/tests/attack

# Rules

.SECONDEXPANSION:
.SECONDARY:
.DELETE_ON_ERROR:

$(B)/gen/%.pb-c.c $(B)/gen/%.pb-c.h &: %.proto
	@mkdir -p $(@D)
	$(call say,PROTO,$<)
	$(Q)protoc-c --proto_path=. --c_out=$(B)/gen $<

# Generated code is not ours: it is compiled without our warnings.
$(B)/obj/gen/%.pb-c.o: $(B)/gen/%.pb-c.c
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 -fPIC $(OPT) $(SANITIZE) -fvisibility=hidden $(DEFS) $(INCLUDES) -c $< -o $@

$(B)/obj/%.o: %.c $(B)/flags | $(GEN_H)
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CFLAGS) $(DEFS) $(INCLUDES) -MMD -MP -c $< -o $@

# Rebuild all when the flags change.
$(B)/flags: FORCE
	@mkdir -p $(B)
	@echo '$(CC) $(CFLAGS) $(DEFS)' | cmp -s - $@ || echo '$(CC) $(CFLAGS) $(DEFS)' >$@
.PHONY: FORCE
FORCE:

objects = $(patsubst %.c,$(B)/obj/%.o,$(SRC_$(1))) $(GEN_$(1))
archive = $(B)/lib/xos-$(1).a
# A file that left an archive, or came to it, is a change of the list, not of a file.
$(foreach a,$(ARCHIVES),$(eval $(call archive,$(a)): $(call objects,$(a)) $(B)/list-$(a)))
$(B)/lib/xos-%.a:
	@mkdir -p $(@D)
	@rm -f $@
	$(Q)ar rcs $@ $(filter %.o,$^)
$(foreach a,$(ARCHIVES),$(eval $(B)/list-$(a): LIST = $(call objects,$(a))))
$(B)/list-%: FORCE
	@mkdir -p $(@D)
	@echo '$(LIST)' | cmp -s - $@ || echo '$(LIST)' >$@

uses = $(foreach a,$($(1)_USES),$(call archive,$(a)))
define program
$(B)/bin/$(1): $(B)/obj/$($(1)_MAIN:.c=.o) $(call uses,$(1))
	@mkdir -p $$(@D)
	$$(call say,LINK,$$@)
	$$(Q)$$(CC) $$(LDFLAGS) $(if $(SANITIZE),,$($(1)_LINK)) $$< -Wl,--start-group $(call uses,$(1)) -Wl,--end-group $$($(1)_LIBS) $(if $($(1)_LINK),$$(STATIC_LIBS),$$(LIBS)) -o $$@
endef
$(foreach p,$(PROGRAMS),$(eval $(call program,$(p))))

$(SHORT:%=$(B)/bin/%): | $(B)/bin/xos
	@ln -sf xos $@

# The public library: the client with what it stands on; only names marked XOS_API are visible.
CLIENT_OBJ = $(call objects,client) $(call archive,auth) $(call archive,base)
$(B)/lib/libxos.so: $(CLIENT_OBJ)
	$(call say,LINK,$@)
	$(Q)$(CC) -shared $(LDFLAGS) -Wl,-soname,libxos.so.0 $(call objects,client) $(call archive,auth) $(call archive,base) $(LIBS) -o $@
$(B)/lib/libxos.a: $(CLIENT_OBJ)
	@rm -f $@ && (echo create $@; for o in $(call objects,client); do echo addmod $$o; done; \
	  echo addlib $(call archive,auth); echo addlib $(call archive,base); echo save; echo end) | ar -M

TEST_USES := testlib xosd cmd client agent ca jobmgr judge exec discovery auth base
TEST_LIBS = -Wl,--start-group $(foreach a,$(TEST_USES),$(call archive,$(a))) -Wl,--end-group
$(UNIT) $(SIM) $(BENCH): $(B)/tests/%: $(B)/obj/tests/%.o $(foreach a,$(TEST_USES),$(call archive,$(a)))
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS) $< $(TEST_LIBS) -lcmocka $(LIBS) -o $@

# What strangers try, for tests/t.
ATTACK_OBJ := $(patsubst %.c,$(B)/obj/%.o,$(sort $(wildcard tests/lib/attack/*.c)))
$(B)/tests/attack: $(ATTACK_OBJ) $(foreach a,$(TEST_USES),$(call archive,$(a)))
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS) $(ATTACK_OBJ) $(TEST_LIBS) -lcmocka $(LIBS) -o $@

$(B)/tests/print_docs: $(B)/obj/tests/lib/docs/print_docs.o $(call archive,discovery) $(call archive,base)
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS) $< $(call archive,discovery) $(call archive,base) $(LIBS) -o $@

# Fuzzing: clang, its own tree

FUZZ_SECONDS ?= 10
$(FUZZ): $(B)/fuzz/%: $(B)/obj/tests/fuzz/%.o $(foreach a,$(TEST_USES),$(call archive,$(a)))
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) -fsanitize=fuzzer,address,undefined $< $(TEST_LIBS) -lcmocka $(LIBS) -o $@
.PHONY: fuzz fuzz-build fuzz-run
fuzz-build: $(FUZZ)
fuzz-run: fuzz-build
	$(Q)tests/lib/run-fuzz $(B)/fuzz $(FUZZ_SECONDS)
fuzz:
	+$(Q)$(SUB) $(FUZZING) fuzz-run

# Packages: the one list

DEPS := gcc make pkg-config libevent-dev libzmq3-dev libssl-dev libsqlite3-dev libpq-dev \
        libprotobuf-c-dev protobuf-c-compiler libinih-dev libjansson-dev uthash-dev libseccomp-dev \
        openssh-client iproute2 nftables
DEPS_TEST := $(DEPS) git perl patch clang llvm clang-format libcmocka-dev postgresql socat expect tmux jq less shellcheck systemd
# The peers to measure against; without them their columns stay empty, with the reason.
DEPS_BENCH := $(DEPS_TEST) slurm-wlm munge
.PHONY: deps deps-test deps-bench
deps:
	$(Q)tests/lib/need-packages $(DEPS)
deps-test:
	$(Q)tests/lib/need-packages $(DEPS_TEST)
deps-bench:
	$(Q)tests/lib/need-packages $(DEPS_BENCH)

# Tests

# A make of its own for each variant, with all processors unless the caller chose a number.
JOBS ?= $(shell nproc)
SUB = $(MAKE) --no-print-directory $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(JOBS))
# gcc's warnings that follow values see ghosts in instrumented code; the normal build has them.
GHOSTS := -Wno-format-truncation -Wno-maybe-uninitialized -Wno-stringop-overflow
UNDEFINED := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
ASAN := B=build/asan HARDEN= OPT='-O1 -g' SANITIZE='$(UNDEFINED) $(GHOSTS)'
TSAN := B=build/tsan HARDEN= OPT='-O1 -g' SANITIZE='-fsanitize=thread $(GHOSTS)'
COVERED := B=build/coverage HARDEN= OPT='-O0 -g' SANITIZE='--coverage $(GHOSTS)'
FUZZING := B=build/fuzzing CC=clang HARDEN= OPT='-O1 -g' \
           SANITIZE='-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined'
LONG ?=

.PHONY: test test-long test-build soak check-unit asan tsan coverage sim tidy format clean help
test-build:
	+$(Q)$(SUB) all tests
	+$(Q)$(SUB) $(ASAN) tests
	+$(Q)$(SUB) $(FUZZING) fuzz-build
test: deps-test
	+$(Q)$(SUB) test-build
	$(Q)tests/lib/run-tests --size 1
test-long: deps-test
	+$(Q)$(SUB) test-build
	$(Q)tests/lib/run-tests --size 10 $(LONG)
soak: deps-test
	+$(Q)$(SUB) test-build
	$(Q)tests/lib/run-soak
check-unit: tests
	$(Q)tests/lib/run-tests --lane unit
asan:
	+$(Q)$(SUB) $(ASAN) tests
	$(Q)B=build/asan tests/lib/run-tests --lane unit
tsan:
	+$(Q)$(SUB) $(TSAN) tests
	$(Q)B=build/tsan XOS_TEST_NO_STARVING=1 tests/lib/run-tests --lane unit
coverage:
	+$(Q)$(SUB) $(COVERED) all tests
	$(Q)find build/coverage -name '*.gcda' -delete
	$(Q)B=build/coverage tests/lib/run-tests --lane unit
	$(Q)tests/lib/coverage-report build/coverage
sim: $(SIM)
	$(Q)tests/lib/run-sim $(B)/tests/sim
tidy:
	$(Q)tests/lib/tidy
format:
	$(Q)clang-format -i $(SOURCES)
clean:
	rm -rf build

# Documents that are printed from tables.
.PHONY: docs
docs: $(B)/tests/print_docs $(B)/bin/xosd
	$(Q)$(B)/bin/xosd --print-docs config.5 >man/xosd.conf.5
	$(Q)$(B)/tests/print_docs metrics >docs/metrics.md
	$(Q)$(B)/tests/print_docs log >docs/log.md
	$(Q)$(B)/tests/print_docs xql >docs/xql.md

# Targets that are there when something stands behind them.
ifneq ($(BENCH),)
.PHONY: bench
# TARGET bench        measure, side by side with the peers installed on this machine (XOS_TEST_SIZE=100)
bench: $(BENCH) all
	$(Q)B=$(B) tests/bench/run-bench
endif
ifneq ($(wildcard tests/lib/demo),)
.PHONY: demo
# TARGET demo         install what is needed, start a federation on this machine, run the main job
demo: deps
	+$(Q)$(SUB) all
	$(Q)tests/lib/demo
endif
ifneq ($(wildcard tests/planted/*.patch),)
.PHONY: planted
# TARGET planted      apply each planted defect to a copy and see the tests turn red
planted:
	$(Q)tests/lib/run-planted
endif

# Installing

# Only xos goes into bin: the short names exist elsewhere. profile.d puts their folder first.
D := $(DESTDIR)$(PREFIX)
HOME_DIR := $(PREFIX)/lib/xos
ETC := $(DESTDIR)$(if $(filter /usr,$(PREFIX)),/etc,$(PREFIX)/etc)
DAEMONS := $(filter-out xos,$(BUILT))
MAN := $(wildcard man/*.[1-9])
UNITS := $(wildcard node-image/units/*.service node-image/units/*.socket node-image/units/*.slice)
COMPLETION := $(wildcard cmd/completion.bash)
.PHONY: install uninstall
install: all
	install -d $(D)/bin $(D)/include $(D)/lib/pkgconfig $(DESTDIR)$(HOME_DIR)/bin $(ETC)/profile.d
	$(if $(filter xos,$(BUILT)),install -m 755 $(B)/bin/xos $(D)/bin/xos)
	$(if $(filter xos,$(BUILT)),for n in xos $(SHORT); do ln -sf ../../../bin/xos $(DESTDIR)$(HOME_DIR)/bin/$$n; done)
	$(if $(DAEMONS),install -m 755 $(DAEMONS:%=$(B)/bin/%) $(DESTDIR)$(HOME_DIR))
	printf 'PATH=%s/bin:$$PATH\n' $(HOME_DIR) >$(ETC)/profile.d/xos.sh && chmod 644 $(ETC)/profile.d/xos.sh
ifneq ($(SRC_client),)
	install -m 755 $(B)/lib/libxos.so $(D)/lib/libxos.so.0
	ln -sf libxos.so.0 $(D)/lib/libxos.so
	install -m 644 $(B)/lib/libxos.a $(D)/lib/libxos.a
	install -m 644 client/xos.h $(D)/include/xos.h
	printf '%s\n' 'prefix=$(PREFIX)' 'Name: xos' 'Description: the XOS client library' 'Version: $(VERSION)' \
	  'Libs: -L$${prefix}/lib -lxos' 'Libs.private: $(strip $(LIBS))' 'Cflags: -I$${prefix}/include' >$(D)/lib/pkgconfig/xos.pc
endif
	$(foreach m,$(MAN),install -D -m 644 $(m) $(D)/share/man/man$(subst .,,$(suffix $(m)))/$(notdir $(m));)
	$(if $(UNITS),install -d $(D)/lib/systemd/system && install -m 644 $(UNITS) $(D)/lib/systemd/system)
	$(foreach d,sysusers.d tmpfiles.d,install -D -m 644 node-image/$(d)/xos.conf $(D)/lib/$(d)/xos.conf;)
	$(if $(COMPLETION),install -D -m 644 $(COMPLETION) $(D)/share/bash-completion/completions/xos)
uninstall:
	rm -rf $(DESTDIR)$(HOME_DIR)
	rm -f $(D)/bin/xos $(D)/include/xos.h $(D)/lib/pkgconfig/xos.pc $(ETC)/profile.d/xos.sh
	rm -f $(D)/lib/libxos.so $(D)/lib/libxos.so.0 $(D)/lib/libxos.a
	rm -f $(D)/share/bash-completion/completions/xos $(D)/lib/sysusers.d/xos.conf $(D)/lib/tmpfiles.d/xos.conf
	rm -f $(foreach m,$(MAN),$(D)/share/man/man$(subst .,,$(suffix $(m)))/$(notdir $(m)))
	rm -f $(foreach u,$(UNITS),$(D)/lib/systemd/system/$(notdir $(u)))

# TARGET all          programs under build/bin, libraries under build/lib
# TARGET test         install what is needed, run every test that this machine can run
# TARGET test-long    the same with ten times the counts
# TARGET soak         the full counts; the report goes under docs/soak
# TARGET check-unit   the unit tests alone
# TARGET asan tsan    build and run the unit tests under sanitizers
# TARGET fuzz         build and run every fuzz target (FUZZ_SECONDS=10 each)
# TARGET sim          run the simulations (SEED=n NODES=n MINUTES=n)
# TARGET coverage     line and branch coverage of the unit tests
# TARGET tidy         house rules: include direction, forbidden calls, function length
# TARGET format       clang-format over all sources
# TARGET docs         print docs/metrics.md, docs/log.md and docs/xql.md from their tables
# TARGET install uninstall   PREFIX=/usr DESTDIR=
# TARGET deps deps-test deps-bench   install the packages to build, to test, to measure
# TARGET clean        remove build
HIDDEN := $(if $(BENCH),,bench) $(if $(wildcard tests/lib/demo),,demo) $(if $(wildcard tests/planted/*.patch),,planted)
help:
	@sed -n 's/^# TARGET //p' $(firstword $(MAKEFILE_LIST)) | grep -vE '^($(if $(HIDDEN),$(subst $() ,|,$(strip $(HIDDEN))),-)) '

-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)
