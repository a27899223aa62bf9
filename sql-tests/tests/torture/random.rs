//! Random modules, the same for the same number.

use arbitrary::Unstructured;
use wasm_smith::{Config, Module};

/// Bytes of randomness that a module is made of.
const BYTES: usize = 8 << 10;

/// The module number `seed`.
pub fn module(seed: u64) -> Vec<u8> {
    let bytes = Numbers(seed).bytes(BYTES);
    let module =
        Module::new(config(seed), &mut Unstructured::new(&bytes)).expect("any bytes make a module");
    module.to_bytes()
}

fn config(seed: u64) -> Config {
    Config {
        // What the interface allows, and nothing that `module::validate` would refuse.
        max_imports: 0,
        min_memories: 1,
        max_memories: 1,
        max_memory32_bytes: 4 << 20,
        max_table_elements: 1_000,
        export_everything: true,
        memory64_enabled: false,
        exceptions_enabled: false,
        gc_enabled: false,
        relaxed_simd_enabled: false,
        reference_types_enabled: false,
        tail_call_enabled: false,
        threads_enabled: false,
        max_tags: 0,
        // Random code traps soon. Where it may not, it runs on: that is what is wanted here.
        disallow_traps: !seed.is_multiple_of(3),
        min_types: 1,
        max_types: 20,
        min_funcs: 4,
        max_funcs: 12,
        max_instructions: 200,
        ..Config::default()
    }
}

/// Random numbers (splitmix64).
pub struct Numbers(pub u64);

impl Numbers {
    /// The next one.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(count + 8);
        while bytes.len() < count {
            bytes.extend(self.next().to_le_bytes());
        }
        bytes.truncate(count);
        bytes
    }
}
