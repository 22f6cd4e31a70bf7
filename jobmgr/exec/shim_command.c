// SPDX-License-Identifier: Apache-2.0
#include "jobmgr/exec/shim.h"

#include <sys/ioctl.h>
#include <termios.h>

static enum xos_code on_ask(struct shim *s, const struct shim_frame *f)
{
    (void)f;
    shim_ctl_news(&s->ctl, CTL_STATUS);
    return XOS_NONE;
}

static enum xos_code on_signal(struct shim *s, const struct shim_frame *f)
{
    return shim_ask(s, &(struct shim_event){.kind = SHIM_EV_SIGNAL,
                                            .number = (int)f->a,
                                            .scope = (enum shim_scope)f->b});
}

static enum xos_code on_stop(struct shim *s, const struct shim_frame *f)
{
    (void)f;
    return shim_ask(s, &(struct shim_event){.kind = SHIM_EV_STOP});
}

static enum xos_code on_cont(struct shim *s, const struct shim_frame *f)
{
    (void)f;
    return shim_ask(s, &(struct shim_event){.kind = SHIM_EV_CONT});
}

static enum xos_code on_kill(struct shim *s, const struct shim_frame *f)
{
    return shim_ask(s, &(struct shim_event){
                           .kind = SHIM_EV_KILL, .how = (enum exit_how)f->a, .grace_ms = f->b});
}

static enum xos_code on_fence(struct shim *s, const struct shim_frame *f)
{
    return shim_ask(
        s, &(struct shim_event){
               .kind = SHIM_EV_FENCE, .epoch = f->a, .deadline_ms = f->b, .fenced = f->c != 0});
}

/* A client that attaches starts where it is; one that is attached only moves on. */
static void set_foreground(struct shim_out *o, bool on, uint64_t offset)
{
    if (on && !o->foreground)
        o->acked = offset < o->written ? offset : o->written;
    else if (on)
        shim_out_ack(o, offset);
    o->foreground = on;
}

static enum xos_code on_foreground(struct shim *s, const struct shim_frame *f)
{
    set_foreground(&s->out[0], f->a != 0, f->b);
    set_foreground(&s->out[1], f->a != 0, f->c);
    return XOS_NONE;
}

static enum xos_code flush_in(struct shim *s)
{
    (void)shim_in_flush(&s->in);
    shim_ctl_news(&s->ctl, CTL_STDIN);
    return XOS_NONE;
}

static enum xos_code on_stdin(struct shim *s, const struct shim_frame *f)
{
    if (shim_in_take(&s->in, f->a, (const uint8_t *)(f + 1), f->bytes) < 0)
        return XOS_PROTOCOL;
    return flush_in(s);
}

static enum xos_code on_stdin_eof(struct shim *s, const struct shim_frame *f)
{
    if (shim_in_eof(&s->in, f->a) < 0)
        return XOS_PROTOCOL;
    return flush_in(s);
}

static enum xos_code on_winsize(struct shim *s, const struct shim_frame *f)
{
    struct winsize size = {.ws_row = (unsigned short)f->a, .ws_col = (unsigned short)f->b};
    if (s->master < 0)
        return XOS_UNSUPPORTED;
    return ioctl(s->master, TIOCSWINSZ, &size) < 0 ? XOS_SYSTEM : XOS_NONE;
}

static enum xos_code on_ack_exit(struct shim *s, const struct shim_frame *f)
{
    (void)f;
    return shim_ask(s, &(struct shim_event){.kind = SHIM_EV_ACK});
}

unsigned shim_command(void *arg, const struct shim_frame *f)
{
    static enum xos_code (*const table[SHIM_TYPES])(struct shim *, const struct shim_frame *) = {
        [SHIM_ASK] = on_ask,
        [SHIM_SIGNAL] = on_signal,
        [SHIM_STOP] = on_stop,
        [SHIM_CONT] = on_cont,
        [SHIM_KILL] = on_kill,
        [SHIM_FENCE] = on_fence,
        [SHIM_FOREGROUND] = on_foreground,
        [SHIM_STDIN] = on_stdin,
        [SHIM_STDIN_EOF] = on_stdin_eof,
        [SHIM_WINSIZE] = on_winsize,
        [SHIM_ACK_EXIT] = on_ack_exit,
    };
    return f->type < SHIM_TYPES && table[f->type] ? table[f->type](arg, f) : XOS_PROTOCOL;
}
