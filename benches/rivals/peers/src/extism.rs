//! Extism: bytes go in and bytes come out. It knows nothing of Arrow, so it is measured twice: with bytes that are there already and a result that
//! stays where it is, which is what `Plugin::call` by itself costs, and from Arrow arrays to an Arrow array.

use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::builder::StringBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, Float64Array, Int64Array};
use arrow_buffer::Buffer;
use extism::{CompiledPlugin, Plugin, PluginBuilder, Pool, PoolBuilder};
use rivals_worker::{Case, Data, Function, Output, Rival, module, time};

use crate::columns::{arrays, output};

/// How long a thread waits for a plugin of the pool. There are enough, so that it never does.
const PATIENCE: Duration = Duration::from_secs(5);
/// Plugins in a pool.
const PLUGINS: usize = 8;

/// A compiled plugin with the default configuration, of which every case has an instance: no limit of time, memory or fuel. What makes it
/// possible to stop a guest (epochs) is always on.
pub struct Extism {
    compiled: Arc<CompiledPlugin>,
    pool: Pool,
}

impl Rival for Extism {
    fn module() -> Vec<u8> {
        module("extism")
    }

    fn load(module: &[u8], cache: Option<&Path>) -> Self {
        let builder = PluginBuilder::new(module);
        let builder = match cache {
            None => builder.with_cache_disabled(),
            Some(folder) => {
                let config = folder.join("cache.toml");
                let text = format!("[cache]\ndirectory = {:?}\n", folder.join("modules"));
                fs::write(&config, text).expect("it can be written");
                builder.with_cache_config(config)
            }
        };
        let compiled = Arc::new(builder.compile().expect("it compiles"));
        let source = Arc::clone(&compiled);
        let pool = PoolBuilder::new()
            .with_max_instances(PLUGINS)
            .build(move || Plugin::new_from_compiled(&source));
        Self { compiled, pool }
    }

    fn case<'a>(&'a self, data: &'a Data) -> Box<dyn Case + 'a> {
        Box::new(Call {
            plugin: self.plugin(),
            function: data.function(),
            input: bytes(&arrays(data)),
        })
    }

    fn shared_case<'a>(&'a self, data: &'a Data) -> Box<dyn Case + 'a> {
        Box::new(PoolCall {
            pool: &self.pool,
            function: data.function(),
            input: bytes(&arrays(data)),
        })
    }

    fn arrow_case<'a>(&'a self, data: &'a Data) -> Option<Box<dyn Case + 'a>> {
        Some(Box::new(ArrowCall {
            plugin: self.plugin(),
            function: data.function(),
            columns: arrays(data),
        }))
    }
}

impl Extism {
    fn plugin(&self) -> Plugin {
        Plugin::new_from_compiled(&self.compiled).expect("it can be made")
    }
}

/// One instance, called with bytes.
struct Call {
    plugin: Plugin,
    function: Function,
    input: Vec<u8>,
}

impl Call {
    fn call(&mut self) -> &[u8] {
        call(&mut self.plugin, self.function, &self.input)
    }
}

impl Case for Call {
    fn run(&mut self, calls: u64) -> Duration {
        time(calls, || {
            black_box(self.call());
        })
    }

    fn output(&mut self) -> Output {
        let function = self.function;
        output(&array(function, self.call()))
    }
}

/// Whichever instance of the pool is free, called with bytes.
struct PoolCall<'a> {
    pool: &'a Pool,
    function: Function,
    input: Vec<u8>,
}

impl Case for PoolCall<'_> {
    fn run(&mut self, calls: u64) -> Duration {
        time(calls, || {
            let mut plugin = self
                .pool
                .get(PATIENCE)
                .expect("it can be made")
                .expect("there are enough");
            black_box(call(&mut plugin, self.function, &self.input));
        })
    }

    fn output(&mut self) -> Output {
        unreachable!("cases that are shared are only run")
    }
}

/// One instance, called from Arrow to Arrow.
struct ArrowCall {
    plugin: Plugin,
    function: Function,
    columns: Vec<ArrayRef>,
}

impl ArrowCall {
    fn call(&mut self) -> ArrayRef {
        let function = self.function;
        // A column of numbers is its bytes already.
        let answer = if let [column] = self.columns.as_slice()
            && let Some(column) = column.as_primitive_opt::<Int64Type>()
        {
            call(&mut self.plugin, function, column.values().inner())
        } else {
            call(&mut self.plugin, function, &bytes(&self.columns))
        };
        array(function, answer)
    }
}

impl Case for ArrowCall {
    fn run(&mut self, calls: u64) -> Duration {
        time(calls, || drop(black_box(self.call())))
    }

    fn output(&mut self) -> Output {
        output(&self.call())
    }
}

fn call<'a>(plugin: &'a mut Plugin, function: Function, input: &[u8]) -> &'a [u8] {
    plugin
        .call(function.export(), input)
        .expect("the call succeeds")
}

/// Columns as the guest takes them.
fn bytes(columns: &[ArrayRef]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(
        columns
            .iter()
            .map(|column| column.get_buffer_memory_size())
            .sum(),
    );
    for column in columns {
        match column.as_string_opt::<i32>() {
            None => bytes.extend_from_slice(column.to_data().buffers()[0].as_slice()),
            Some(texts) => {
                for text in texts.iter().flatten() {
                    bytes.extend_from_slice(&(text.len() as u32).to_le_bytes());
                    bytes.extend_from_slice(text.as_bytes());
                }
            }
        }
    }
    bytes
}

/// The column that the guest's bytes are.
fn array(function: Function, bytes: &[u8]) -> ArrayRef {
    match function {
        Function::AddOne => Arc::new(Int64Array::new(Buffer::from(bytes).into(), None)),
        Function::GreatCircleKm => Arc::new(Float64Array::new(Buffer::from(bytes).into(), None)),
        Function::Upper => {
            let mut texts = StringBuilder::new();
            let mut rest = bytes;
            while let Some((length, after)) = rest.split_first_chunk() {
                let (text, after) = after.split_at(u32::from_le_bytes(*length) as usize);
                texts.append_value(str::from_utf8(text).expect("the guest writes text"));
                rest = after;
            }
            Arc::new(texts.finish())
        }
    }
}
