//! The floor: wasmtime alone, of the version that this project has. The arguments are copied into the memory, a typed export is called, and the result
//! is copied out into a fresh `Vec`. There are no limits, nothing can be interrupted, nothing is checked, and no Arrow array is made.

use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::time::Duration;

use rivals_worker::{Case, Data, Function, Output, Rival, module, time};
use wasmtime::{Config, Engine, Instance, Memory, Module, Store, TypedFunc};

/// A compiled module.
pub struct Floor(Module);

impl Rival for Floor {
    fn module() -> Vec<u8> {
        module("plain")
    }

    fn load(module: &[u8], cache: Option<&Path>) -> Self {
        let engine = Engine::new(&Config::new()).expect("the machine can run it");
        let file = cache.map(|folder| folder.join("plain.cwasm"));
        let module = match &file {
            Some(file) if file.exists() => {
                // SAFETY: the file was written by this function, into a folder that nobody else has.
                unsafe { Module::deserialize_file(&engine, file) }.expect("it was made here")
            }
            _ => Module::new(&engine, module).expect("it compiles"),
        };
        if let Some(file) = file.filter(|file| !file.exists()) {
            fs::write(file, module.serialize().expect("it can be kept")).expect("it is kept");
        }
        Self(module)
    }

    fn case<'a>(&'a self, data: &'a Data) -> Box<dyn Case + 'a> {
        Box::new(Call::new(&self.0, data))
    }
}

/// An export, and where in the memory its arguments go and its result comes from.
struct Call {
    function: Function,
    store: Store<()>,
    memory: Memory,
    export: Export,
    /// Columns of numbers behind one another, or offsets.
    input: Vec<u8>,
    /// Bytes of texts.
    texts: Vec<u8>,
    rows: u32,
    /// Of `input`, `texts`, and the same of the result.
    places: [u32; 4],
}

enum Export {
    /// With the size of the result.
    Numbers(TypedFunc<(u32, u32, u32), ()>, usize),
    Texts(TypedFunc<(u32, u32, u32, u32, u32), u32>),
}

impl Call {
    fn new(module: &Module, data: &Data) -> Self {
        let mut store = Store::new(module.engine(), ());
        let instance = Instance::new(&mut store, module, &[]).expect("it imports nothing");
        let (input, texts) = bytes(data);
        let name = data.function().export();
        let export = if data.function() == Function::Upper {
            let export = instance.get_typed_func(&mut store, name);
            Export::Texts(export.expect("it exports it"))
        } else {
            let export = instance.get_typed_func(&mut store, name);
            Export::Numbers(export.expect("it exports it"), 8 * data.rows())
        };
        let reserve: TypedFunc<u32, u32> = instance
            .get_typed_func(&mut store, "reserve")
            .expect("it exports it");
        let places = [input.len(), texts.len(), input.len(), texts.len()].map(|length| {
            reserve
                .call(&mut store, length as u32)
                .expect("there is space")
        });
        Self {
            function: data.function(),
            memory: instance
                .get_memory(&mut store, "memory")
                .expect("it exports it"),
            store,
            export,
            input,
            texts,
            rows: data.rows() as u32,
            places,
        }
    }

    /// The result: numbers or offsets, and texts.
    fn call(&mut self) -> (Vec<u8>, Vec<u8>) {
        let [input, texts, output, texts_out] = self.places;
        let memory = self.memory.data_mut(&mut self.store);
        write(memory, input, &self.input);
        match &self.export {
            Export::Numbers(export, bytes) => {
                export
                    .call(&mut self.store, (input, output, self.rows))
                    .expect("the call succeeds");
                let memory = self.memory.data(&self.store);
                (read(memory, output, *bytes), Vec::new())
            }
            Export::Texts(export) => {
                write(memory, texts, &self.texts);
                let length = export
                    .call(
                        &mut self.store,
                        (input, texts, output, texts_out, self.rows),
                    )
                    .expect("the call succeeds");
                let memory = self.memory.data(&self.store);
                (
                    read(memory, output, self.input.len()),
                    read(memory, texts_out, length as usize),
                )
            }
        }
    }
}

impl Case for Call {
    fn run(&mut self, calls: u64) -> Duration {
        time(calls, || drop(black_box(self.call())))
    }

    fn output(&mut self) -> Output {
        let (numbers, texts) = self.call();
        match self.function {
            Function::AddOne => Output::Ints(values(&numbers, i64::from_le_bytes)),
            Function::GreatCircleKm => Output::Floats(values(&numbers, f64::from_le_bytes)),
            Function::Upper => {
                let offsets = values(&numbers, i32::from_le_bytes);
                let text = |bounds: &[i32]| {
                    let bytes = &texts[bounds[0] as usize..bounds[1] as usize];
                    String::from_utf8_lossy(bytes).into_owned()
                };
                Output::Texts(offsets.windows(2).map(text).collect())
            }
        }
    }
}

fn write(memory: &mut [u8], place: u32, bytes: &[u8]) {
    memory[place as usize..][..bytes.len()].copy_from_slice(bytes);
}

fn read(memory: &[u8], place: u32, length: usize) -> Vec<u8> {
    memory[place as usize..][..length].to_vec()
}

fn values<T, const N: usize>(bytes: &[u8], value: fn([u8; N]) -> T) -> Vec<T> {
    bytes.as_chunks().0.iter().copied().map(value).collect()
}

/// Columns of numbers behind one another, or the offsets of texts; and the texts.
fn bytes(data: &Data) -> (Vec<u8>, Vec<u8>) {
    match data {
        Data::Ints(column) => (
            column
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect(),
            Vec::new(),
        ),
        Data::Places(columns) => (
            columns
                .iter()
                .flatten()
                .flat_map(|value| value.to_le_bytes())
                .collect(),
            Vec::new(),
        ),
        Data::Texts(column) => {
            let texts = column.concat().into_bytes();
            let mut end = 0;
            let mut offsets = vec![0; 4];
            for text in column {
                end += text.len() as i32;
                offsets.extend_from_slice(&end.to_le_bytes());
            }
            (offsets, texts)
        }
    }
}
