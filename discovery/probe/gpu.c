// SPDX-License-Identifier: Apache-2.0
#include "discovery/probe/gpu.h"

#include "libxos/base/alloc.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PCI_DIR "sys/bus/pci/devices"
#define ADDRESS_BYTES 20u /* "10000:e1:00.0" and more */

static const struct known {
    uint64_t vendor, device;
    const char *model;
    uint64_t vram_gib;
    const char *cc;
    bool may_mig;
} known_gpus[] = {
#define PROBE_GPU(vendor, device, model, vram_gib, cc, may_mig)                                    \
    {vendor, device, model, vram_gib, cc, may_mig},
#include "discovery/probe/gpus.def"
#undef PROBE_GPU
};

static const struct {
    uint64_t id;
    const char *name; /* NULL: its display devices are consoles, not GPUs */
} vendors[] = {
    {0x10de, "nvidia"}, {0x1002, "amd"}, {0x8086, "intel"},
    {0x1234, "qemu"},   {0x1a03, NULL},  {0x102b, NULL},
};

struct address {
    char text[ADDRESS_BYTES];
};

struct addresses {
    struct address *at;
    size_t count;
    bool nomem;
};

/* What is known of one function while its device is filled. */
struct function {
    struct probe_tree *tree;
    struct xql_row *row;
    size_t device;         /* its place in the row */
    const char *address;   /* "0000:41:00.0" */
    struct probe_path dir; /* where sysfs keeps it */
    uint64_t vendor_id, device_id;
    const struct known *known; /* NULL: not in the table */
    bool virtual;              /* a virtual function of SR-IOV */
    char driver[XQL_TEXT_BYTES_MAX + 1];
};

/* DOMAIN:BUS:DEVICE.FUNCTION, in hex. */
static bool is_address(const char *name)
{
    size_t n = strlen(name);
    if (n < 12 || n >= ADDRESS_BYTES || name[n - 8] != ':' || name[n - 5] != ':' ||
        name[n - 2] != '.')
        return false;
    return strspn(name, "0123456789abcdef:.") == n;
}

static int keep_address(const char *name, void *arg)
{
    struct addresses *all = arg;
    if (!is_address(name))
        return 0;
    if (all->count == PROBE_PCI_MAX)
        return 1;
    if ((all->count & (all->count - 1)) == 0) {
        size_t room = all->count ? all->count * 2 : 1;
        struct address *more = xos_realloc_array(all->at, room, sizeof(*more));
        all->nomem = !more;
        if (!more)
            return 1;
        all->at = more;
    }
    (void)snprintf(all->at[all->count++].text, ADDRESS_BYTES, "%s", name);
    return 0;
}

static int compare_addresses(const void *a, const void *b)
{
    const char *x = a, *y = b;
    size_t nx = strlen(x), ny = strlen(y);
    return nx != ny ? (nx < ny ? -1 : 1) : strcmp(x, y);
}

static bool hex(struct function *f, const char *name, uint64_t *number)
{
    return probe_number_in(f->tree, f->dir.text, name, 16, number);
}

static bool console_only(uint64_t vendor)
{
    for (size_t i = 0; i < sizeof(vendors) / sizeof(vendors[0]); i++)
        if (vendors[i].id == vendor)
            return !vendors[i].name;
    return false;
}

/* Is this a GPU? Then what identifies it is filled in. */
static bool look(struct function *f)
{
    struct probe_path path;
    uint64_t class;
    if (!probe_join(&path, PCI_DIR, f->address) || !probe_resolve(f->tree, path.text, &f->dir))
        return false;
    if (!hex(f, "class", &class) || !hex(f, "vendor", &f->vendor_id) ||
        !hex(f, "device", &f->device_id))
        return false;
    class >>= 8;
    if ((class != 0x0300 && class != 0x0302 && class != 0x0380 && class != 0x1200) ||
        console_only(f->vendor_id))
        return false;
    for (size_t i = 0; i < sizeof(known_gpus) / sizeof(known_gpus[0]); i++)
        if (known_gpus[i].vendor == f->vendor_id && known_gpus[i].device == f->device_id)
            f->known = &known_gpus[i];
    f->virtual = probe_link_in(f->tree, f->dir.text, "physfn") != NULL;
    const char *driver = probe_link_in(f->tree, f->dir.text, "driver");
    (void)snprintf(f->driver, sizeof(f->driver), "%s", driver ? driver : "none");
    return true;
}

static void set_names(struct function *f)
{
    char text[XQL_TEXT_BYTES_MAX + 1];
    (void)snprintf(text, sizeof(text), "%04" PRIx64, f->vendor_id);
    for (size_t i = 0; i < sizeof(vendors) / sizeof(vendors[0]); i++)
        if (vendors[i].id == f->vendor_id && vendors[i].name)
            (void)snprintf(text, sizeof(text), "%s", vendors[i].name);
    xql_row_set_text(f->row, f->device, XQL_A_VENDOR, text);
    (void)snprintf(text, sizeof(text), "%04" PRIx64 ":%04" PRIx64, f->vendor_id, f->device_id);
    xql_row_set_text(f->row, f->device, XQL_A_MODEL, f->known ? f->known->model : text);
    xql_row_set_text(f->row, f->device, XQL_A_DRIVER, f->driver);
}

/* amdgpu has a file, the NVIDIA driver a page in /proc. */
static void set_uuid(struct function *f)
{
    char uuid[XQL_TEXT_BYTES_MAX + 1];
    struct probe_path path;
    const char *text = probe_text_in(f->tree, f->dir.text, "unique_id");
    (void)snprintf(uuid, sizeof(uuid), "%s", f->address);
    if (text && *text)
        (void)snprintf(uuid, sizeof(uuid), "GPU-%s", text);
    else if (probe_join(&path, "proc/driver/nvidia/gpus", f->address) &&
             (text = probe_text_in(f->tree, path.text, "information")))
        (void)probe_field(text, "GPU UUID", ':', uuid, sizeof(uuid));
    xql_row_set_text(f->row, f->device, XQL_A_UUID, uuid);
}

static void set_memory(struct function *f)
{
    uint64_t bytes;
    const char *source = "sysfs";
    if (probe_number_in(f->tree, f->dir.text, "mem_info_vram_total", 10, &bytes)) {
        xql_row_set_integer(f->row, f->device, XQL_A_VRAM, bytes);
        source = "amdgpu";
    } else if (f->known && f->known->vram_gib && !f->virtual) {
        /* A virtual function has a part of it, and no table knows which. */
        xql_row_set_integer(f->row, f->device, XQL_A_VRAM, f->known->vram_gib << 30);
        source = "table";
    }
    xql_row_set_text(f->row, f->device, XQL_A_SOURCE, source);
}

/* MIG lives in NVIDIA's driver: where another one or none holds the device, nothing is cut. */
static void set_cuda(struct function *f)
{
    bool nvidia = f->vendor_id == 0x10de;
    if (f->known && f->known->cc[0])
        xql_row_set_text(f->row, f->device, XQL_A_CC, f->known->cc);
    if (!nvidia || strcmp(f->driver, "nvidia") != 0 || (f->known && !f->known->may_mig))
        xql_row_set_flag(f->row, f->device, XQL_A_MIG, false);
}

static void set_place(struct function *f)
{
    uint64_t node;
    char *end;
    /* "-1", no NUMA, is not a number to probe_number: the value is missing then. */
    if (probe_number_in(f->tree, f->dir.text, "numa_node", 10, &node) && node < 65536)
        xql_row_set_number(f->row, f->device, XQL_A_NUMA, (double)node);
    const char *group = probe_link_in(f->tree, f->dir.text, "iommu_group");
    if (!group || !isdigit((unsigned char)group[0]))
        return;
    unsigned long number = strtoul(group, &end, 10);
    if (*end == '\0' && number <= INT32_MAX)
        xql_row_set_number(f->row, f->device, XQL_A_IOMMU_GROUP, (double)number);
}

static void set_state(struct function *f)
{
    uint64_t cut;
    bool in_use = probe_number_in(f->tree, f->dir.text, "sriov_numvfs", 10, &cut) && cut > 0;
    xql_row_set_text(f->row, f->device, XQL_A_GPU_STATE, in_use ? "in-use" : "free");
}

static int add_function(struct probe_tree *t, struct xql_row *row, const char *address,
                        struct xos_error *err)
{
    struct function f = {.tree = t, .row = row, .address = address};
    if (!look(&f) || row->device_count == XQL_DEVICES_MAX)
        return 0;
    if (xql_row_add_device(row, &f.device, err) < 0)
        return -1;
    set_names(&f);
    set_uuid(&f);
    set_memory(&f);
    set_cuda(&f);
    set_place(&f);
    set_state(&f);
    return 0;
}

int probe_gpus(struct probe_tree *t, struct xql_row *row, struct xos_error *err)
{
    struct addresses all = {0};
    struct xos_error why = {0};
    int rc = 0;
    if (xos_env_dir_list(t->env, t->dir, PCI_DIR, keep_address, &all, &why) < 0 &&
        why.code == XOS_NOMEM)
        all.nomem = true;
    if (all.nomem) {
        rc = xos_fail(err, XOS_NOMEM, "list the PCI bus");
        goto out;
    }
    if (all.count)
        qsort(all.at, all.count, sizeof(*all.at), compare_addresses);
    for (size_t i = 0; i < all.count && rc == 0; i++)
        rc = add_function(t, row, all.at[i].text, err);
out:
    xos_free(all.at);
    return rc;
}
