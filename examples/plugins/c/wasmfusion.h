/* The binary interface of Wasmfusion, version 1, for guests in C. docs/abi.md explains every field.
 *
 * The structs are what a C compiler for wasm32 makes of the interface; ArrowArray and ArrowSchema are those of the Arrow
 * C Data Interface, whose `release` is not used here. Compile with
 *
 *   clang --target=wasm32 -mbulk-memory -O2 -nostdlib -Wl,--no-entry -o plugin.wasm plugin.c
 */
#ifndef WASMFUSION_H
#define WASMFUSION_H

#include <stddef.h>
#include <stdint.h>

#define WASMFUSION_ABI_VERSION 1

/* What an export returns. */
#define WASMFUSION_OK 0
#define WASMFUSION_ERROR 1

/* Makes a function an export of the module. */
#define WASMFUSION_EXPORT(name) __attribute__((export_name(#name)))

/* Declares a function of the host, which the manifest must ask for:
 *
 *   WASMFUSION_IMPORT(clock_realtime) int64_t wasmfusion_clock_realtime(void);
 *   WASMFUSION_IMPORT(log) int64_t wasmfusion_log(int32_t level, const char *message, uint32_t length,
 *                                                 const struct wasmfusion_pair *fields, uint32_t field_count);
 */
#define WASMFUSION_IMPORT(name) __attribute__((import_module("wasmfusion"), import_name(#name)))

/* Bytes. */
struct wasmfusion_slice {
  const void *address;
  uint32_t length;
};

/* A name and a value, for functions of the host. */
struct wasmfusion_pair {
  struct wasmfusion_slice name;
  struct wasmfusion_slice value;
};

struct ArrowArray {
  int64_t length;
  int64_t null_count;
  int64_t offset;
  int64_t n_buffers;
  int64_t n_children;
  const void **buffers;
  struct ArrowArray **children;
  struct ArrowArray *dictionary;
  void (*release)(struct ArrowArray *);
  void *private_data;
};

struct ArrowSchema {
  const char *format;
  const char *name;
  const char *metadata;
  int64_t flags;
  int64_t n_children;
  struct ArrowSchema **children;
  struct ArrowSchema *dictionary;
  void (*release)(struct ArrowSchema *);
  void *private_data;
};

/* What a function's export gets. */
struct wasmfusion_call {
  uint32_t rows;
  uint32_t arg_count;
  const struct ArrowArray *args;
  struct ArrowArray *result;
  uint64_t constants;
  uint32_t bound;
  uint32_t flags;
  struct wasmfusion_slice error;
};

/* What wasmfusion_bind gets. */
struct wasmfusion_bind {
  uint32_t function;
  uint32_t arg_count;
  const struct ArrowSchema *arg_types;
  const struct ArrowArray *args;
  uint64_t constants;
  struct ArrowSchema *result_type;
  uint32_t bound;
  struct wasmfusion_slice error;
};

_Static_assert(sizeof(struct ArrowArray) == 64, "compile for wasm32");
_Static_assert(sizeof(struct ArrowSchema) == 48, "compile for wasm32");
_Static_assert(sizeof(struct wasmfusion_call) == 40, "compile for wasm32");
_Static_assert(sizeof(struct wasmfusion_bind) == 40, "compile for wasm32");
_Static_assert(offsetof(struct ArrowArray, buffers) == 40, "compile for wasm32");
_Static_assert(offsetof(struct wasmfusion_call, error) == 32, "compile for wasm32");

/* Whether argument `index` has one value that holds for every row. */
static inline int wasmfusion_is_constant(const struct wasmfusion_call *call, uint32_t index) {
  return index < 64 && (call->constants >> index & 1);
}

/* Ends a call with a message: return wasmfusion_fail(call, "…"). */
static inline int32_t wasmfusion_fail(struct wasmfusion_call *call, const char *message) {
  uint32_t length = 0;
  while (message[length]) length++;
  call->error.address = message;
  call->error.length = length;
  return WASMFUSION_ERROR;
}

#endif
