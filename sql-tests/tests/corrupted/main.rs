//! A guest that gives a right result and then writes over some of it: whatever that makes of it, the host returns an error, or an array that is
//! valid, of the declared type and as long as it must be.
//!
//! The columns and the damage follow from numbers, so they are the same in every run. `WASMFUSION_CORRUPTED_RESULTS` says how many results there
//! are, `WASMFUSION_CORRUPTED_FIRST` with which column to start: a message names the column and the seed, so that it can be looked at alone.

#[path = "../../../src/columns/tests/arbitrary/arrays.rs"]
mod arrays;
#[path = "../../../fuzz/src/input.rs"]
mod input;
#[path = "../../../fuzz/src/oracle.rs"]
mod oracle;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrays::Random;
use datafusion::arrow::array::{Array, ArrayRef};
use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::common::ScalarValue;
use datafusion::config::ConfigOptions;
use datafusion::error::Result;
use datafusion::logical_expr::{ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl};
use wasmfusion::{Registry, RegistryOptions, ScalarFunction, StreamScope};

use crate::input::Input;
use crate::oracle::assert_valid;

const GUEST: &str = include_str!("guest.wat");
/// Results if nobody says how many.
const RESULTS: u64 = 100_000;
/// Results of each column.
const RESULTS_PER_COLUMN: u64 = 20;
/// Rows of a column, less one.
const ROWS: usize = 40;
/// Every so many columns are numbers for the function that is not bound, whose result the host lays out.
const FIXED_EVERY: u64 = 16;
/// Choices that a type is made of, at most.
const CHOICES: usize = 256;

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// How results ended.
#[derive(Default)]
struct Counts {
    as_it_was: u64,
    changed: u64,
    refused: BTreeMap<&'static str, u64>,
}

#[test]
fn a_damaged_result_is_an_error_or_an_array() {
    let mut options = RegistryOptions::default();
    // The same guest fails over and over here.
    options.limits.breaker_failures_max = 0;
    options.limits.result_bytes_max = 1 << 20;
    options.limits.memory_bytes_max = 16 << 20;
    let registry = Registry::new(options);
    let plugin = registry.load_bytes("corrupting", GUEST.as_bytes()).unwrap();
    let corrupt = ScalarFunction::named(&plugin, "corrupt").unwrap();
    let corrupt_number = ScalarFunction::named(&plugin, "corrupt_number").unwrap();

    let results = setting("WASMFUSION_CORRUPTED_RESULTS").unwrap_or(RESULTS);
    let first = setting("WASMFUSION_CORRUPTED_FIRST").unwrap_or(0);
    let mut counts = Counts::default();
    for number in first..first + results.div_ceil(RESULTS_PER_COLUMN) {
        let fixed = number.is_multiple_of(FIXED_EVERY);
        let function = if fixed { &corrupt_number } else { &corrupt };
        let column = column(number, fixed);
        // One stream: what is left of a guest that was refused is not called again, the others are.
        StreamScope::enter(&mut Some(Box::default()), || {
            for place in 0..RESULTS_PER_COLUMN {
                let seed = (number * RESULTS_PER_COLUMN + place) as i64;
                let outcome = catch_unwind(AssertUnwindSafe(|| {
                    let outcome = call(function, seed, &column);
                    if let Ok(array) = &outcome {
                        assert_valid(array, column.data_type(), column.len());
                    }
                    outcome
                }));
                let Ok(outcome) = outcome else {
                    panic!("column {number}, seed {seed}: {}", column.data_type());
                };
                counts.add(outcome, &column, seed);
            }
        });
    }
    counts.print();
    assert!(counts.as_it_was > 0 && counts.changed > 0);
}

/// Column number `number`: of any type, or of numbers.
fn column(number: u64, fixed: bool) -> ArrayRef {
    let random = &mut Random::new(number);
    let choices: Vec<u8> = (0..CHOICES).map(|_| random.next() as u8).collect();
    let data_type = match fixed {
        true => DataType::Int64,
        false => Input { bytes: &choices }.data_type(),
    };
    let rows = random.below(ROWS);
    arrays::array(&data_type, rows, true, random)
}

fn call(function: &ScalarFunction, seed: i64, column: &ArrayRef) -> Result<ArrayRef> {
    let arg_fields = vec![
        Arc::new(Field::new("seed", DataType::Int64, false)),
        Arc::new(Field::new("value", column.data_type().clone(), true)),
    ];
    let return_field = function.return_field_from_args(ReturnFieldArgs {
        arg_fields: &arg_fields,
        scalar_arguments: &[None, None],
    })?;
    assert_eq!(return_field.data_type(), column.data_type());
    let args = ScalarFunctionArgs {
        args: vec![
            ColumnarValue::Scalar(ScalarValue::Int64(Some(seed))),
            ColumnarValue::Array(Arc::clone(column)),
        ],
        arg_fields,
        number_rows: column.len(),
        return_field,
        config_options: Arc::new(ConfigOptions::default()),
    };
    function.invoke_with_args(args)?.into_array(column.len())
}

impl Counts {
    fn add(&mut self, outcome: Result<ArrayRef>, column: &ArrayRef, seed: i64) {
        let error = match outcome {
            Ok(array) if array.as_ref() == column.as_ref() => {
                self.as_it_was += 1;
                return;
            }
            Ok(_) => {
                self.changed += 1;
                return;
            }
            Err(error) => error.strip_backtrace(),
        };
        let kinds = [
            ("do not fit in the guest's memory", "beyond memory"),
            ("its address is 0", "not there"),
            ("larger than the limit", "too large"),
            ("not a valid array", "not a valid array"),
            ("a bad result", "another bad result"),
        ];
        let Some((_, kind)) = kinds.iter().find(|(text, _)| error.contains(text)) else {
            panic!("seed {seed}, {}: {error}", column.data_type());
        };
        assert!(
            error.contains("corrupt") && error.contains("corrupting"),
            "{error}"
        );
        *self.refused.entry(kind).or_default() += 1;
    }

    fn print(&self) {
        let refused: Vec<String> = self
            .refused
            .iter()
            .map(|(kind, count)| format!("{count} {kind}"))
            .collect();
        println!(
            "{} results accepted as they were, {} accepted with other values, {} refused ({})",
            self.as_it_was,
            self.changed,
            self.refused.values().sum::<u64>(),
            refused.join(", ")
        );
    }
}
