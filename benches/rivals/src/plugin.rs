//! This project: a plugin's functions as DataFusion calls them inside a stream, with every limit at its default.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use datafusion::logical_expr::ScalarUDF;
use rivals_worker::{Case, Data, Output, Rival, module, time};
use wasmfusion::{ArtifactOptions, Plugin, Registry, RegistryOptions, ScalarFunction, StreamScope};
use wasmfusion_benches::Subject;

use crate::native::{arrays, output};

/// A plugin, with the registry that it is in.
pub struct Wasmfusion {
    plugin: Arc<Plugin>,
    _registry: Registry,
}

impl Rival for Wasmfusion {
    fn module() -> Vec<u8> {
        module("wasmfusion")
    }

    fn load(module: &[u8], cache: Option<&Path>) -> Self {
        let mut options = RegistryOptions::default();
        // A folder of its own making, which nobody else may write to.
        options.artifacts = cache.map(|folder| ArtifactOptions::new(folder.join("artifacts")));
        let registry = Registry::new(options);
        Self {
            plugin: registry
                .load_bytes("rivals.wasm", module)
                .expect("the plugin loads"),
            _registry: registry,
        }
    }

    fn case<'a>(&'a self, data: &'a Data) -> Box<dyn Case + 'a> {
        let function = ScalarFunction::named(&self.plugin, data.function().export());
        let udf = ScalarUDF::from(function.expect("the plugin has the function"));
        Box::new(Call {
            subject: Subject::new(&udf, &arrays(data)),
            scope: Some(Box::default()),
        })
    }
}

/// Calls in one stream, which has an instance for itself.
struct Call {
    subject: Subject,
    scope: Option<Box<StreamScope>>,
}

impl Case for Call {
    fn run(&mut self, calls: u64) -> Duration {
        StreamScope::enter(&mut self.scope, || {
            time(calls, || drop(black_box(self.subject.call())))
        })
    }

    fn output(&mut self) -> Output {
        StreamScope::enter(&mut self.scope, || output(&self.subject))
    }
}
