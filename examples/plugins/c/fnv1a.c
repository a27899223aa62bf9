/* A plugin in C, without a library: fnv1a(text) -> BIGINT UNSIGNED, the 64-bit FNV-1a hash of a text's UTF-8 bytes. */

#include "wasmfusion.h"

static const char MANIFEST[] =
    "{\"name\": \"fnv1a\", \"version\": \"1.0.0\", \"description\": \"A plugin in C.\","
    " \"functions\": [{\"name\": \"fnv1a\", \"export\": \"udf_fnv1a\","
    /* NULLs are skipped unless a parameter says otherwise, so the function never sees one. */
    " \"params\": [{\"name\": \"text\", \"type\": \"Utf8\"}],"
    " \"returns\": {\"type\": \"UInt64\", \"nullable\": false},"
    " \"description\": \"64-bit FNV-1a hash of a text.\","
    " \"examples\": [{\"sql\": \"SELECT fnv1a('a')\", \"result\": \"12638187200555641996\"}]}]}";

WASMFUSION_EXPORT(wasmfusion_abi_version) int32_t abi_version(void) { return WASMFUSION_ABI_VERSION; }

WASMFUSION_EXPORT(wasmfusion_describe) const struct wasmfusion_slice *describe(void) {
  static struct wasmfusion_slice manifest = {MANIFEST, sizeof MANIFEST - 1};
  return &manifest;
}

/* The linker's: where the memory behind everything else begins. */
extern unsigned char __heap_base;

/* Room for the host, which has one region at a time: everything from __heap_base on, as this plugin needs no heap. */
WASMFUSION_EXPORT(wasmfusion_alloc) void *alloc(uint32_t size, uint32_t align) {
  const uint64_t page = 65536;
  uint64_t start = ((uint64_t)(uintptr_t)&__heap_base + align - 1) & ~(uint64_t)(align - 1);
  uint64_t pages = (start + size + page - 1) / page;
  uint64_t have = __builtin_wasm_memory_size(0);
  if (pages > have && __builtin_wasm_memory_grow(0, pages - have) == (size_t)-1) return 0;
  return (void *)(uintptr_t)start;
}

static uint64_t hash(const unsigned char *bytes, int32_t length) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (int32_t i = 0; i < length; i++) hash = (hash ^ bytes[i]) * 0x100000001b3u;
  return hash;
}

WASMFUSION_EXPORT(udf_fnv1a) int32_t fnv1a(struct wasmfusion_call *call) {
  /* A Utf8 array has validity, offsets and data; a UInt64 array, which the host has laid out, validity and values. */
  const int32_t *offsets = call->args[0].buffers[1];
  const unsigned char *data = call->args[0].buffers[2];
  uint64_t *result = (uint64_t *)call->result->buffers[1];
  if (wasmfusion_is_constant(call, 0)) {
    uint64_t one = hash(data + offsets[0], offsets[1] - offsets[0]);
    for (uint32_t row = 0; row < call->rows; row++) result[row] = one;
    return WASMFUSION_OK;
  }
  for (uint32_t row = 0; row < call->rows; row++) {
    result[row] = hash(data + offsets[row], offsets[row + 1] - offsets[row]);
  }
  return WASMFUSION_OK;
}
