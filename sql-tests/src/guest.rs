//! Guests that call one host function: `ask(x BIGINT) -> BIGINT`, in WebAssembly text.

/// A guest in the making.
pub struct Guest {
    name: String,
    capabilities: Vec<String>,
    schema: String,
    volatility: &'static str,
    imports: String,
    data: String,
    body: String,
}

/// Where the data of [`Guest::data`] begins.
pub const DATA: usize = 4096;
/// Where replies go: 4 KiB.
pub const OUT: usize = 8192;

impl Guest {
    /// A guest whose function returns what `body` leaves, an `i64`. If that is negative, the call fails with the host's words.
    pub fn new(name: &str, capabilities: &[&str], body: &str) -> Self {
        Self {
            name: name.to_owned(),
            capabilities: capabilities.iter().map(|c| (*c).to_owned()).collect(),
            schema: String::new(),
            volatility: "volatile",
            imports: String::new(),
            data: String::new(),
            body: body.to_owned(),
        }
    }

    /// The same with a host function, called `$NAME`, with these parameters: `i` for `i32`, `l` for `i64`, `d` for `f64`.
    #[must_use]
    pub fn import(mut self, name: &str, params: &str) -> Self {
        let types = params.chars().map(|letter| match letter {
            'i' => "i32",
            'l' => "i64",
            _ => "f64",
        });
        let types: Vec<&str> = types.collect();
        self.imports += &format!(
            "(import \"wasmfusion\" \"{name}\" (func ${name} (param {}) (result i64)))\n",
            types.join(" ")
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

    /// The same with bytes in its memory from [`DATA`] on.
    #[must_use]
    pub fn data(mut self, text: &str) -> Self {
        self.data = text.bytes().map(|byte| format!("\\{byte:02x}")).collect();
        self
    }

    /// The same with a schema of its configuration.
    #[must_use]
    pub fn schema(mut self, schema: &str) -> Self {
        self.schema = format!(", \"config_schema\": {schema}");
        self
    }

    /// The same, which the planner may call.
    #[must_use]
    pub fn immutable(mut self) -> Self {
        self.volatility = "immutable";
        self
    }

    /// The module.
    pub fn text(&self) -> String {
        let Self {
            name,
            capabilities,
            schema,
            volatility,
            imports,
            data,
            body,
        } = self;
        let manifest = format!(
            r#"{{"name": "{name}", "version": "1.0.0", "functions": [{{"name": "{name}", "export": "ask",
            "params": [{{"name": "x", "type": "Int64"}}], "returns": {{"type": "Int64"}}, "volatility": "{volatility}"}}],
            "capabilities": {capabilities:?}{schema}}}"#
        );
        let manifest_bytes: String = manifest.bytes().map(|b| format!("\\{b:02x}")).collect();
        let length = manifest.len();
        assert!(length < DATA - 64, "the manifest is too long: {length}");
        let length: String = (length as u32)
            .to_le_bytes()
            .map(|b| format!("\\{b:02x}"))
            .concat();
        let error = if imports.is_empty() {
            "(func $error (param i32 i32) (result i64) (i64.const 0))"
        } else {
            ""
        };
        let imports = match imports.as_str() {
            "" => String::new(),
            imports => format!(
                "{imports}(import \"wasmfusion\" \"error\" (func $error (param i32 i32) (result i64)))"
            ),
        };
        format!(
            r#"(module
  {imports}
  {error}
  (memory (export "memory") 4)
  (data (i32.const 16) "\40\00\00\00{length}")
  (data (i32.const 64) "{manifest_bytes}")
  (data (i32.const {DATA}) "{data}")
  (func (export "wasmfusion_abi_version") (result i32) (i32.const 1))
  (func (export "wasmfusion_describe") (result i32) (i32.const 16))
  (func (export "wasmfusion_alloc") (param i32 i32) (result i32) (i32.const 65536))
  (func $body (param $x i64) (result i64) {body})
  (func (export "ask") (param $frame i32) (result i32)
    (local $row i32) (local $to i32) (local $from i32) (local $answer i64)
    (local.set $to (i32.load offset=4 (i32.load offset=40 (i32.load offset=12 (local.get $frame)))))
    (local.set $from (i32.load offset=4 (i32.load offset=40 (i32.load offset=8 (local.get $frame)))))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $row) (i32.load (local.get $frame))))
        (local.set $answer (call $body (i64.load (local.get $from))))
        (if (i64.lt_s (local.get $answer) (i64.const 0))
          (then
            (i32.store offset=32 (local.get $frame) (i32.const 2048))
            (i32.store offset=36 (local.get $frame)
              (i32.wrap_i64 (call $error (i32.const 2048) (i32.const 2048))))
            (return (i32.const 1))))
        (i64.store (local.get $to) (local.get $answer))
        (local.set $to (i32.add (local.get $to) (i32.const 8)))
        ;; A constant is one value for all rows.
        (if (i64.eqz (i64.load offset=16 (local.get $frame)))
          (then (local.set $from (i32.add (local.get $from) (i32.const 8)))))
        (local.set $row (i32.add (local.get $row) (i32.const 1)))
        (br $next)))
    (i32.const 0)))"#
        )
    }
}
