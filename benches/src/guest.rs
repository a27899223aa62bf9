//! Guests written for a measurement, in WebAssembly text: where no plugin has the functions that it needs.

use std::fmt::Write as _;

/// Where the manifest is in the guest's memory, and the host's region behind it.
const MANIFEST: usize = 64;
const REGION: usize = 65_536;

/// A scalar function of a guest.
pub struct GuestFunction {
    /// Its name, which its export has as well.
    pub name: String,
    /// Types of its parameters, as the manifest has them.
    pub params: Vec<&'static str>,
    /// Type of its result.
    pub returns: &'static str,
    /// Locals and instructions, with the frame's address in `$frame`; what is left on the stack is the status.
    pub body: String,
}

impl GuestFunction {
    /// A function of floating-point numbers that computes `value` for each row. In it, [`column`] is an argument's value.
    pub fn of_floats(name: impl Into<String>, params: usize, value: &str) -> Self {
        let mut body = String::from("(local $at i32) (local $end i32) (local $out i32)\n");
        for place in 0..params {
            let _ = writeln!(body, "(local $column{place} i32)");
        }
        for place in 0..params {
            let _ = writeln!(
                body,
                "(local.set $column{place} (i32.load offset=4 (i32.load offset={} (i32.load offset=8 (local.get $frame)))))",
                64 * place + 40,
            );
        }
        let _ = write!(
            body,
            "(local.set $out (i32.load offset=4 (i32.load offset=40 (i32.load offset=12 (local.get $frame)))))
             (local.set $end (i32.shl (i32.load (local.get $frame)) (i32.const 3)))
             (block $done
               (loop $row
                 (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
                 (f64.store (i32.add (local.get $out) (local.get $at)) {value})
                 (local.set $at (i32.add (local.get $at) (i32.const 8)))
                 (br $row)))
             (i32.const 0)"
        );
        Self {
            name: name.into(),
            params: vec!["Float64"; params],
            returns: "Float64",
            body,
        }
    }

    /// A function that adds 1 to a column of integers as many times as it makes `passes` over it, each from one buffer to another, 16 rows in a turn of its
    /// loop. Of other numbers of rows it leaves the last ones out.
    pub fn of_passes(name: impl Into<String>, passes: usize) -> Self {
        const TURN: usize = 128;
        let steps = (0..TURN).step_by(16).map(|offset| {
            format!(
                "(v128.store offset={offset} (i32.add (local.get $to) (local.get $at))
                   (i64x2.add (v128.const i64x2 1 1) (v128.load offset={offset} (i32.add (local.get $from) (local.get $at)))))"
            )
        });
        let steps = steps.collect::<Vec<_>>().join("\n");
        let pass = format!(
            "(local.set $at (i32.const 0))
             (block $done
               (loop $turn
                 (br_if $done (i32.gt_u (i32.add (local.get $at) (i32.const {TURN})) (local.get $end)))
                 {steps}
                 (local.set $at (i32.add (local.get $at) (i32.const {TURN})))
                 (br $turn)))"
        );
        let swap = "(local.set $other (local.get $from)) (local.set $from (local.get $to)) (local.set $to (local.get $other))";
        assert!(passes % 2 == 1, "the last pass must end in the result");
        Self {
            name: name.into(),
            params: vec!["Int64"],
            returns: "Int64",
            body: format!(
                "(local $from i32) (local $to i32) (local $other i32) (local $at i32) (local $end i32)
                 (local.set $from (i32.load offset=4 (i32.load offset=40 (i32.load offset=8 (local.get $frame)))))
                 (local.set $to (i32.load offset=4 (i32.load offset=40 (i32.load offset=12 (local.get $frame)))))
                 (local.set $end (i32.shl (i32.load (local.get $frame)) (i32.const 3)))
                 {}
                 (i32.const 0)",
                vec![pass; passes].join(swap)
            ),
        }
    }

    /// A function that evaluates `call`, a number of 64 bits, as often as its argument says, and sums it up. What `first` does, it does once before.
    pub fn repeating(name: impl Into<String>, first: &str, call: &str) -> Self {
        Self {
            name: name.into(),
            params: vec!["Int64"],
            returns: "Int64",
            body: format!(
                "(local $left i64) (local $sum i64)
                 {first}
                 (local.set $left (i64.load (i32.load offset=4 (i32.load offset=40 (i32.load offset=8 (local.get $frame))))))
                 (loop $again
                   (local.set $sum (i64.add (local.get $sum) {call}))
                   (local.set $left (i64.sub (local.get $left) (i64.const 1)))
                   (br_if $again (i64.gt_s (local.get $left) (i64.const 0))))
                 (i64.store (i32.load offset=4 (i32.load offset=40 (i32.load offset=12 (local.get $frame)))) (local.get $sum))
                 (i32.const 0)"
            ),
        }
    }

    fn declared(&self) -> String {
        let params = self.params.iter().enumerate();
        let params = params.map(|(place, ty)| format!(r#"{{"name":"p{place}","type":"{ty}"}}"#));
        format!(
            r#"{{"name":"{name}","export":"{name}","params":[{}],"returns":{{"type":"{}"}}}}"#,
            params.collect::<Vec<_>>().join(","),
            self.returns,
            name = self.name,
        )
    }

    fn exported(&self) -> String {
        format!(
            "(func (export \"{}\") (param $frame i32) (result i32)\n{})\n",
            self.name, self.body
        )
    }
}

/// The value that an argument of [`GuestFunction::of_floats`] has in the row.
pub fn column(place: usize) -> String {
    format!("(f64.load (i32.add (local.get $column{place}) (local.get $at)))")
}

/// The value of an argument of [`GuestFunction::of_floats`] that is always a constant.
pub fn constant(place: usize) -> String {
    format!("(f64.load (local.get $column{place}))")
}

/// The text of a module with these functions and fields, imports first, which asks for these capabilities. The first 32 KiB of its memory are its
/// manifest's.
///
/// # Panics
///
/// If there are more functions than there is room for in the manifest.
pub fn guest(
    name: &str,
    fields: &str,
    capabilities: &[&str],
    functions: &[GuestFunction],
) -> String {
    let declared: Vec<String> = functions.iter().map(GuestFunction::declared).collect();
    let exported: String = functions.iter().map(GuestFunction::exported).collect();
    let capabilities: Vec<String> = capabilities.iter().map(|c| format!("\"{c}\"")).collect();
    let manifest = format!(
        r#"{{"name":"{name}","version":"1","functions":[{}],"capabilities":[{}]}}"#,
        declared.join(","),
        capabilities.join(","),
    );
    assert!(
        MANIFEST + manifest.len() <= REGION / 2,
        "the manifest is too long"
    );
    let slice: String = [MANIFEST, manifest.len()]
        .iter()
        .flat_map(|word| (*word as u32).to_le_bytes())
        .map(|byte| format!("\\{byte:02x}"))
        .collect();
    format!(
        r#"(module
  {fields}
  (memory (export "memory") 1)
  (data (i32.const 16) "{slice}")
  (data (i32.const {MANIFEST}) "{}")
  (func (export "wasmfusion_abi_version") (result i32) (i32.const 1))
  (func (export "wasmfusion_describe") (result i32) (i32.const 16))
  (func (export "wasmfusion_alloc") (param $size i32) (param $align i32) (result i32)
    (local $more i32)
    (local.set $more
      (i32.sub
        (i32.shr_u (i32.add (local.get $size) (i32.const {})) (i32.const 16))
        (memory.size)))
    (if (i32.gt_s (local.get $more) (i32.const 0))
      (then (if (i32.eq (memory.grow (local.get $more)) (i32.const -1)) (then (return (i32.const 0))))))
    (i32.const {REGION}))
{exported})"#,
        manifest.replace('"', "\\22"),
        2 * REGION - 1,
    )
}
