//! Observers in WebAssembly text.

/// A plugin with observers in the making. Its functions may count in metrics of the plugin.
pub struct Observing {
    name: String,
    capabilities: Vec<String>,
    functions: Vec<String>,
    bodies: String,
}

/// Counts the events of a call, in the metric of the plugin.
pub const COUNT: &str =
    "(call $add (f64.convert_i32_u (i32.load (local.get $frame)))) (i32.const 0)";
/// Adds up the values of the first column, which are whole numbers.
pub const SUM: &str = "
    (local $row i32) (local $from i32)
    (local.set $from (i32.load offset=4 (i32.load offset=40 (i32.load offset=8 (local.get $frame)))))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $row) (i32.load (local.get $frame))))
        (call $add (f64.convert_i64_s (i64.load (local.get $from))))
        (local.set $from (i32.add (local.get $from) (i32.const 8)))
        (local.set $row (i32.add (local.get $row) (i32.const 1)))
        (br $next)))
    (i32.const 0)";

impl Observing {
    /// A plugin that asks to observe these kinds, as `query`, and to count.
    pub fn new(name: &str, kinds: &[&str]) -> Self {
        let observe = kinds.iter().map(|kind| format!("observe:{kind}"));
        Self {
            name: name.to_owned(),
            capabilities: observe.chain(["metric:emit".to_owned()]).collect(),
            functions: Vec::new(),
            bodies: String::new(),
        }
    }

    /// The same with an observer of `event`, whose parameters are these columns with their types. `body` has the address of the frame in
    /// `$frame`, adds to the metric with `$add`, and leaves a status.
    #[must_use]
    pub fn observer(
        mut self,
        name: &str,
        event: &str,
        params: &[(&str, &str)],
        body: &str,
    ) -> Self {
        let params = params.iter().map(|(name, ty)| {
            let (ty, nulls) = match ty.strip_suffix('?') {
                Some(ty) => (ty, "pass"),
                None => (*ty, "skip"),
            };
            let ty = ty.replace('"', "\\\"");
            format!(r#"{{"name": "{name}", "type": "{ty}", "nulls": "{nulls}"}}"#)
        });
        let params: Vec<String> = params.collect();
        self.functions.push(format!(
            r#"{{"name": "{name}", "kind": "observer", "event": "{event}", "params": [{}]}}"#,
            params.join(", ")
        ));
        self.bodies +=
            &format!("(func (export \"{name}\") (param $frame i32) (result i32) {body})\n");
        self
    }

    /// The same with a scalar function that returns its argument.
    #[must_use]
    pub fn identity(mut self, name: &str) -> Self {
        self.functions.push(format!(
            r#"{{"name": "{name}", "params": [{{"name": "x", "type": "Int64"}}], "returns": {{"type": "Int64"}}}}"#
        ));
        self.bodies += &format!(
            "(func (export \"{name}\") (param $frame i32) (result i32)
               (memory.copy
                 (i32.load offset=4 (i32.load offset=40 (i32.load offset=12 (local.get $frame))))
                 (i32.load offset=4 (i32.load offset=40 (i32.load offset=8 (local.get $frame))))
                 (i32.mul (i32.load (local.get $frame)) (i32.const 8)))
               (i32.const 0))\n"
        );
        self
    }

    /// The same, which asks for one more capability.
    #[must_use]
    pub fn capability(mut self, capability: &str) -> Self {
        self.capabilities.push(capability.to_owned());
        self
    }

    /// What it asks for.
    pub fn capabilities(&self) -> &[String] {
        &self.capabilities
    }

    /// The module. What it counts is the metric `seen`.
    pub fn text(&self) -> String {
        let Self {
            name,
            capabilities,
            functions,
            bodies,
        } = self;
        let manifest = format!(
            r#"{{"name": "{name}", "version": "1.0.0", "functions": [{}], "capabilities": {capabilities:?}}}"#,
            functions.join(", ")
        );
        let escaped = |bytes: &[u8]| {
            bytes
                .iter()
                .map(|b| format!("\\{b:02x}"))
                .collect::<String>()
        };
        let length = escaped(&(manifest.len() as u32).to_le_bytes());
        let manifest = escaped(manifest.as_bytes());
        format!(
            r#"(module
  (import "wasmfusion" "metric" (func $metric (param i32 i32 i32 i32 i32) (result i64)))
  (import "wasmfusion" "metric_record" (func $metric_record (param i32 f64) (result i64)))
  (memory (export "memory") 2)
  (global $handle (mut i64) (i64.const -1))
  (data (i32.const 16) "\40\00\00\00{length}")
  (data (i32.const 64) "{manifest}")
  (data (i32.const 65000) "seen")
  (func (export "wasmfusion_abi_version") (result i32) (i32.const 1))
  (func (export "wasmfusion_describe") (result i32) (i32.const 16))
  (func (export "wasmfusion_alloc") (param $size i32) (param i32) (result i32)
    (i32.mul (memory.grow (i32.add (i32.shr_u (local.get $size) (i32.const 16)) (i32.const 1))) (i32.const 65536)))
  (func $add (param $value f64)
    (if (i64.lt_s (global.get $handle) (i64.const 0))
      (then (global.set $handle
        (call $metric (i32.const 0) (i32.const 65000) (i32.const 4) (i32.const 0) (i32.const 0)))))
    (drop (call $metric_record (i32.wrap_i64 (global.get $handle)) (local.get $value))))
  {bodies})"#
        )
    }
}
