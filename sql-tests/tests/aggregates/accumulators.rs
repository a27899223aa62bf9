//! Accumulators by themselves, in any order of operations that DataFusion could think of.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array, StringArray};
use datafusion::arrow::compute::{not, nullif};
use datafusion::arrow::datatypes::{DataType, Field, Int64Type, Schema};
use datafusion::logical_expr::EmitTo;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::aggregate::{AggregateExprBuilder, AggregateFunctionExpr};
use datafusion::physical_expr::expressions::Column;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use wasmfusion::{AggregateFunction, Registry, RegistryOptions, SqlFunction};
use wasmfusion_sql_tests::built_plugins;

/// `my_sum` of a column of integers.
fn sum() -> AggregateFunctionExpr {
    let schema = Arc::new(Schema::new(vec![Field::new("v", DataType::Int64, true)]));
    let column: Arc<dyn PhysicalExpr> = Arc::new(Column::new("v", 0));
    AggregateExprBuilder::new(Arc::new(super::aggregate("my_sum", "my_sum")), vec![column])
        .schema(schema)
        .alias("s")
        .build()
        .unwrap()
}

/// A row: its group, its value, and whether the filter lets it pass (`None` is NULL, which does not).
type Row = (usize, Option<i64>, Option<bool>);

#[derive(Clone, Debug)]
enum Operation {
    Update(Vec<Row>),
    /// Rows that all count: batches of one size, which the host makes as the one before.
    UpdateAll(Vec<Row>),
    /// Rows that another accumulator has seen, and that this one gets as states.
    Merge(Vec<Row>),
    /// Rows that become states without being taken in, and come back as such.
    Convert(Vec<Row>),
    /// Emits so many groups.
    Evaluate(usize),
    /// Emits the states of so many groups, which then are taken in as the same groups of a new accumulator, behind those that are left.
    State(usize),
    /// All groups at once.
    EvaluateAll,
}

const GROUPS_MAX: usize = 40;

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let value = option::weighted(0.8, -1_000_i64..1_000);
    vec(
        (0..GROUPS_MAX, value, option::weighted(0.9, any::<bool>())),
        0..60,
    )
}

fn whole_rows() -> impl Strategy<Value = Vec<Row>> {
    let value = (-1_000_i64..1_000).prop_map(Some);
    vec((0..GROUPS_MAX, value, Just(Some(true))), 16)
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        4 => rows().prop_map(Operation::Update),
        4 => whole_rows().prop_map(Operation::UpdateAll),
        2 => rows().prop_map(Operation::Merge),
        2 => rows().prop_map(Operation::Convert),
        1 => (0..GROUPS_MAX).prop_map(Operation::Evaluate),
        1 => (0..GROUPS_MAX).prop_map(Operation::State),
        1 => Just(Operation::EvaluateAll),
    ]
}

/// Sums of groups; `None` where there was no value.
type Model = Vec<Option<i64>>;

fn add(sum: &mut Option<i64>, value: i64) {
    *sum = Some(sum.unwrap_or(0) + value);
}

/// The columns of some rows, sliced so that nothing starts at its buffer's start.
fn columns(rows: &[Row]) -> (ArrayRef, Vec<usize>, BooleanArray) {
    let lead = std::iter::once(None);
    let values: Int64Array = lead.chain(rows.iter().map(|row| row.1)).collect();
    let lead = std::iter::once(Some(true));
    let filter: BooleanArray = lead.chain(rows.iter().map(|row| row.2)).collect();
    let groups = rows.iter().map(|row| row.0).collect();
    let values: ArrayRef = Arc::new(values.slice(1, rows.len()));
    (values, groups, filter.slice(1, rows.len()))
}

/// Groups are numbered without gaps, as DataFusion does it: in the order in which they come, behind those that are there.
fn renumber(rows: &[Row], model: &mut Model) -> Vec<Row> {
    rows.iter()
        .map(|(group, value, pass)| {
            let group = (*group).min(model.len());
            if group == model.len() {
                model.push(None);
            }
            (group, *value, *pass)
        })
        .collect()
}

fn numbers(column: &ArrayRef) -> Model {
    column.as_primitive::<Int64Type>().iter().collect()
}

fn run(operations: Vec<Operation>) -> Result<(), TestCaseError> {
    let function = sum();
    let mut accumulator = function.create_groups_accumulator().unwrap();
    let mut model = Model::new();
    for operation in operations {
        match operation {
            Operation::Update(rows) => {
                let rows = renumber(&rows, &mut model);
                let (values, groups, filter) = columns(&rows);
                accumulator
                    .update_batch(&[values], &groups, Some(&filter), model.len())
                    .unwrap();
                take_in(&mut model, &rows);
            }
            Operation::UpdateAll(rows) => {
                let rows = renumber(&rows, &mut model);
                let (values, groups, _) = columns(&rows);
                accumulator
                    .update_batch(&[values], &groups, None, model.len())
                    .unwrap();
                take_in(&mut model, &rows);
            }
            Operation::Merge(rows) => {
                let rows = renumber(&rows, &mut model);
                let mut other = function.create_groups_accumulator().unwrap();
                let (values, groups, filter) = columns(&rows);
                other
                    .update_batch(&[values], &groups, Some(&filter), model.len())
                    .unwrap();
                let states = other.state(EmitTo::All).unwrap();
                let groups: Vec<usize> = (0..model.len()).collect();
                prop_assert_eq!(states[0].len(), model.len());
                accumulator
                    .merge_batch(&states, &groups, model.len())
                    .unwrap();
                take_in(&mut model, &rows);
            }
            Operation::Convert(rows) => {
                let rows = renumber(&rows, &mut model);
                let (values, groups, filter) = columns(&rows);
                let states = accumulator
                    .convert_to_state(&[values], Some(&filter))
                    .unwrap();
                prop_assert_eq!(states[0].len(), rows.len());
                accumulator
                    .merge_batch(&states, &groups, model.len())
                    .unwrap();
                take_in(&mut model, &rows);
            }
            Operation::Evaluate(count) => {
                let count = count.min(model.len());
                let found = accumulator.evaluate(EmitTo::First(count)).unwrap();
                let expected: Model = model.drain(..count).collect();
                prop_assert_eq!(numbers(&found), expected);
            }
            Operation::State(count) => {
                let count = count.min(model.len());
                let states = accumulator.state(EmitTo::First(count)).unwrap();
                let moved: Model = model.drain(..count).collect();
                let first = model.len();
                model.extend(moved);
                let groups: Vec<usize> = (first..model.len()).collect();
                accumulator
                    .merge_batch(&states, &groups, model.len())
                    .unwrap();
            }
            Operation::EvaluateAll => {
                let found = accumulator.evaluate(EmitTo::All).unwrap();
                prop_assert_eq!(numbers(&found), std::mem::take(&mut model));
                prop_assert!(accumulator.size() < 1 << 10, "memory is given back");
            }
        }
    }
    let found = accumulator.evaluate(EmitTo::All).unwrap();
    prop_assert_eq!(numbers(&found), model);
    Ok(())
}

fn take_in(model: &mut Model, rows: &[Row]) {
    for (group, value, pass) in rows {
        if let (Some(value), Some(true)) = (value, pass) {
            add(&mut model[*group], *value);
        }
    }
}

/// A batch of texts that is larger than what the guest has room for becomes states in parts.
#[test]
fn large_batches_are_converted_in_parts() {
    let mut options = RegistryOptions::default();
    options.limits.memory_bytes_max = 16 << 20;
    let plugin = Registry::new(options)
        .load_file(built_plugins().join("testing.wasm"))
        .unwrap();
    let function = SqlFunction::named(&plugin, "my_max").and_then(AggregateFunction::new);
    let schema = Arc::new(Schema::new(vec![Field::new("v", DataType::Utf8, true)]));
    let column: Arc<dyn PhysicalExpr> = Arc::new(Column::new("v", 0));
    let function = AggregateExprBuilder::new(Arc::new(function.unwrap().into()), vec![column])
        .schema(schema)
        .alias("m")
        .build()
        .unwrap();
    let texts: ArrayRef = Arc::new(StringArray::from_iter_values(
        (0..1_000).map(|row| row.to_string().repeat(4_000)),
    ));
    let filter: BooleanArray = (0..1_000).map(|row| Some(row % 7 > 0)).collect();
    let accumulator = function.create_groups_accumulator().unwrap();
    let states = accumulator
        .convert_to_state(&[Arc::clone(&texts)], Some(&filter))
        .unwrap();
    let expected = nullif(&texts, &not(&filter).unwrap()).unwrap();
    assert_eq!(&states[0], &expected);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn groups_agree_with_a_model(operations in vec(operation(), 1..12)) {
        run(operations)?;
    }

    #[test]
    fn a_frame_that_slides_agrees_with_a_model(
        values in vec(option::weighted(0.8, -1_000_i64..1_000), 1..60),
        steps in vec((0_usize..5, 0_usize..5), 1..30),
    ) {
        let mut accumulator = sum().create_sliding_accumulator().unwrap();
        let column: ArrayRef = Arc::new(Int64Array::from(values.clone()));
        let (mut start, mut end) = (0, 0);
        for (leave, enter) in steps {
            let next_end = (end + enter).min(values.len());
            accumulator.update_batch(&[column.slice(end, next_end - end)]).unwrap();
            end = next_end;
            let next_start = (start + leave).min(end);
            accumulator.retract_batch(&[column.slice(start, next_start - start)]).unwrap();
            start = next_start;
            let inside = values[start..end].iter().flatten();
            let expected = inside.clone().next().map(|_| inside.sum::<i64>());
            prop_assert_eq!(accumulator.evaluate().unwrap(), expected.into());
        }
    }

    #[test]
    fn one_group_agrees_with_a_model(batches in vec(vec(option::weighted(0.7, -1_000_i64..1_000), 0..30), 0..6)) {
        let function = sum();
        let (mut whole, mut merged) = (
            function.create_accumulator().unwrap(),
            function.create_accumulator().unwrap(),
        );
        for batch in &batches {
            let column: ArrayRef = Arc::new(Int64Array::from(batch.clone()));
            whole.update_batch(&[Arc::clone(&column)]).unwrap();
            let mut part = function.create_accumulator().unwrap();
            part.update_batch(&[column]).unwrap();
            let states: Vec<ArrayRef> = part
                .state()
                .unwrap()
                .iter()
                .map(|state| state.to_array().unwrap())
                .collect();
            merged.merge_batch(&states).unwrap();
        }
        let values: Vec<i64> = batches.iter().flatten().flatten().copied().collect();
        let expected = (!values.is_empty()).then(|| values.iter().sum::<i64>());
        prop_assert_eq!(whole.evaluate().unwrap(), expected.into());
        prop_assert_eq!(merged.evaluate().unwrap(), expected.into());
    }
}
