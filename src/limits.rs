//! Every limit on guests that can be set, with its default. What a format or the engine bounds by itself stands where it is read.

/// What a guest may use. All of them are on by default.
///
/// ```
/// let mut limits = wasmfusion::Limits::default();
/// limits.call_timeout_ms = 250;
/// limits.memory_bytes_max = 64 << 20;
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Limits {
    /// Longest time that one call of an export may take, in milliseconds. A call that runs longer is stopped.
    pub call_timeout_ms: u64,
    /// Longest time that a module's `start` function, `wasmfusion_abi_version` and `wasmfusion_describe` may take each, in milliseconds.
    pub describe_timeout_ms: u64,
    /// Largest linear memory of one instance, in bytes. Growth beyond it fails in the guest.
    pub memory_bytes_max: u64,
    /// Largest number of elements in all tables of one instance together.
    pub table_elements_max: u64,
    /// Deepest native stack that guest code may use, in bytes; 2 MiB at most. A setting of the engine: registries that differ in it compile apart.
    pub stack_bytes_max: usize,
    /// Largest result of one call, in bytes, after it was read out.
    pub result_bytes_max: usize,
    /// Longest error message that is taken from a guest, in bytes. The rest is cut.
    pub error_bytes_max: usize,
    /// Largest module file, in bytes.
    pub module_bytes_max: usize,
    /// Largest number of functions in a module.
    pub module_functions_max: u32,
    /// Largest body of one function in a module, in bytes: what bounds the time to compile it.
    pub module_function_bytes_max: u32,
    /// Largest manifest, in bytes.
    pub manifest_bytes_max: usize,
    /// Largest number of functions in a manifest.
    pub manifest_functions_max: usize,
    /// Deepest nesting of a type that may cross into or out of a guest. A primitive has depth 1.
    pub type_depth_max: usize,
    /// Largest number of instances that live at one time, of all plugins together. A setting of the engine.
    pub instances_max: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            call_timeout_ms: 5_000,
            describe_timeout_ms: 1_000,
            memory_bytes_max: 256 << 20,
            table_elements_max: 20_000,
            stack_bytes_max: 512 << 10,
            result_bytes_max: 256 << 20,
            error_bytes_max: 4 << 10,
            module_bytes_max: 32 << 20,
            module_functions_max: 50_000,
            module_function_bytes_max: 1 << 20,
            manifest_bytes_max: 1 << 20,
            manifest_functions_max: 1_000,
            type_depth_max: 16,
            instances_max: 1_000,
        }
    }
}
