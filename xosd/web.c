// SPDX-License-Identifier: Apache-2.0
#include "xosd/web.h"

#include "libxos/base/alloc.h"
#include "libxos/base/telemetry.h"

#include <event2/buffer.h>
#include <event2/http.h>

struct web {
    struct evhttp *http;
    int fd;
    struct xos_env *env;
    const struct web_ops *ops;
    void *arg;
};

static void answer(struct evhttp_request *request, int code, const char *reason, const char *type,
                   const struct xos_buf *body)
{
    struct evbuffer *out = evhttp_request_get_output_buffer(request);
    evhttp_add_header(evhttp_request_get_output_headers(request), "Content-Type", type);
    (void)evbuffer_add(out, body->data ? body->data : (const uint8_t *)"", body->len);
    evhttp_send_reply(request, code, reason, NULL);
}

static void on_metrics(struct evhttp_request *request, void *arg)
{
    struct web *w = arg;
    struct xos_buf body = XOS_BUF(WEB_METRICS_BYTES_MAX);
    struct xos_error err;
    w->ops->sample(w->arg);
    if (xos_metrics_print(&body, &err) < 0)
        evhttp_send_error(request, HTTP_INTERNAL, err.text);
    else
        answer(request, HTTP_OK, "OK", "text/plain; version=0.0.4", &body);
    xos_buf_free(&body);
}

static void on_healthz(struct evhttp_request *request, void *arg)
{
    struct web *w = arg;
    struct xos_buf body = XOS_BUF(WEB_METRICS_BYTES_MAX);
    struct xos_error err;
    if (!w->ops->well(w->arg, &body))
        answer(request, HTTP_SERVUNAVAIL, "Service Unavailable", "text/plain", &body);
    else if (xos_buf_add_text(&body, "ok\n", &err) == 0)
        answer(request, HTTP_OK, "OK", "text/plain", &body);
    xos_buf_free(&body);
}

void web_free(struct web *w)
{
    if (!w)
        return;
    if (w->http)
        evhttp_free(w->http);
    else
        xos_env_close(w->env, w->fd);
    xos_free(w);
}

int web_new(struct web **out, struct xos_loop *loop, const char *host, unsigned port,
            const struct web_ops *ops, void *arg, struct xos_error *err)
{
    struct web *w = xos_alloc(sizeof(*w));
    if (!w)
        return xos_fail(err, XOS_NOMEM, "web");
    *w = (struct web){.env = xos_loop_env(loop), .fd = -1, .ops = ops, .arg = arg};
    w->fd = xos_env_tcp_listen(w->env, host, port, err);
    if (w->fd < 0) {
        web_free(w);
        return xos_wrap(err, "[net] http %s:%u", host, port);
    }
    w->http = evhttp_new(xos_loop_base(loop));
    if (!w->http || evhttp_accept_socket(w->http, w->fd) < 0) {
        web_free(w);
        return xos_fail(err, XOS_NOMEM, "web");
    }
    evhttp_set_allowed_methods(w->http, EVHTTP_REQ_GET);
    evhttp_set_max_headers_size(w->http, WEB_HEADERS_BYTES_MAX);
    evhttp_set_max_body_size(w->http, 0);
    evhttp_set_timeout(w->http, WEB_TIMEOUT_S);
    if (evhttp_set_cb(w->http, "/metrics", on_metrics, w) < 0 ||
        evhttp_set_cb(w->http, "/healthz", on_healthz, w) < 0) {
        web_free(w);
        return xos_fail(err, XOS_NOMEM, "web");
    }
    *out = w;
    return 0;
}
