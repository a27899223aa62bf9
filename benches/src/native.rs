//! Native functions with the algorithms of the example plugins, written as DataFusion's own are.

use std::any::Any;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, FieldRef, Float64Type, Int64Type, Schema, SchemaRef};
use datafusion::catalog::{Session, TableFunctionArgs, TableFunctionImpl, TableProvider};
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::logical_expr::function::{
    AccumulatorArgs, PartitionEvaluatorArgs, StateFieldsArgs, WindowUDFFieldArgs,
};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, EmitTo, Expr, GroupsAccumulator,
    PartitionEvaluator, Signature, TableType, Volatility, WindowUDF, WindowUDFImpl,
};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::memory::{LazyBatchGenerator, LazyMemoryExec};
use parking_lot::RwLock;
use stats::GeometricMean as GeometricMeanState;
use wasmfusion_udf::State;

/// The geometric mean of the plugin `stats`, compiled natively from the same source.
pub fn native_geometric_mean() -> AggregateUDF {
    AggregateUDF::from(GeometricMean {
        signature: Signature::exact(vec![DataType::Float64], Volatility::Immutable),
    })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct GeometricMean {
    signature: Signature,
}

impl AggregateUDFImpl for GeometricMean {
    fn name(&self) -> &str {
        "native_geometric_mean"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn state_fields(&self, _args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        Ok(vec![
            Arc::new(Field::new("fraction", DataType::Float64, true)),
            Arc::new(Field::new("exponent", DataType::Int64, true)),
            Arc::new(Field::new("count", DataType::Int64, true)),
        ])
    }

    fn accumulator(&self, _args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Mean::default()))
    }

    fn groups_accumulator_supported(&self, _args: AccumulatorArgs<'_>) -> bool {
        true
    }

    fn create_groups_accumulator(
        &self,
        _args: AccumulatorArgs<'_>,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        Ok(Box::new(Means::default()))
    }
}

/// One group.
#[derive(Debug, Default)]
struct Mean(GeometricMeanState);

impl Accumulator for Mean {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let values = values[0].as_primitive::<Float64Type>();
        if values.null_count() == 0 {
            for value in values.values() {
                self.0.update(*value);
            }
        } else {
            for value in values.iter().flatten() {
                self.0.update(value);
            }
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(ScalarValue::Float64(self.0.evaluate()))
    }

    fn size(&self) -> usize {
        size_of::<Self>()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let (fraction, exponent, count) = std::mem::take(&mut self.0).save();
        Ok(vec![fraction.into(), exponent.into(), count.into()])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for row in 0..states[0].len() {
            self.0.merge(state_at(states, row));
        }
        Ok(())
    }
}

/// The state in a row of the state's columns.
fn state_at(states: &[ArrayRef], row: usize) -> GeometricMeanState {
    GeometricMeanState::load((
        states[0].as_primitive::<Float64Type>().value(row),
        states[1].as_primitive::<Int64Type>().value(row),
        states[2].as_primitive::<Int64Type>().value(row),
    ))
    .expect("a state that was saved can be loaded")
}

/// All groups.
#[derive(Debug, Default)]
struct Means(Vec<GeometricMeanState>);

impl Means {
    fn reach(&mut self, total: usize) {
        self.0.resize(total, GeometricMeanState::default());
    }
}

impl GroupsAccumulator for Means {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        self.reach(total_num_groups);
        let values = values[0].as_primitive::<Float64Type>();
        if values.null_count() == 0 && opt_filter.is_none() {
            for (group, value) in group_indices.iter().zip(values.values()) {
                self.0[*group].update(*value);
            }
            return Ok(());
        }
        for (row, group) in group_indices.iter().enumerate() {
            let passes = opt_filter.is_none_or(|filter| filter.is_valid(row) && filter.value(row));
            if passes && values.is_valid(row) {
                self.0[*group].update(values.value(row));
            }
        }
        Ok(())
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let means = emit_to.take_needed(&mut self.0);
        let means = means.iter().map(GeometricMeanState::evaluate);
        Ok(Arc::new(means.collect::<Float64Array>()))
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let means = emit_to.take_needed(&mut self.0);
        let mut fractions = Vec::with_capacity(means.len());
        let mut exponents = Vec::with_capacity(means.len());
        let mut counts = Vec::with_capacity(means.len());
        for mean in means {
            let (fraction, exponent, count) = mean.save();
            fractions.push(fraction);
            exponents.push(exponent);
            counts.push(count);
        }
        Ok(vec![
            Arc::new(Float64Array::from(fractions)),
            Arc::new(Int64Array::from(exponents)),
            Arc::new(Int64Array::from(counts)),
        ])
    }

    fn merge_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        total_num_groups: usize,
    ) -> Result<()> {
        self.reach(total_num_groups);
        for (row, group) in group_indices.iter().enumerate() {
            self.0[*group].merge(state_at(values, row));
        }
        Ok(())
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        opt_filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        let rows = values[0].len();
        let mut each = Self::default();
        let groups: Vec<usize> = (0..rows).collect();
        each.update_batch(values, &groups, opt_filter, rows)?;
        each.state(EmitTo::All)
    }

    fn size(&self) -> usize {
        self.0.capacity() * size_of::<GeometricMeanState>()
    }
}

/// The exponential moving average as the plugin `series` computes it.
pub fn native_ema() -> WindowUDF {
    WindowUDF::from(Ema {
        signature: Signature::exact(vec![DataType::Float64; 2], Volatility::Immutable),
    })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Ema {
    signature: Signature,
}

impl WindowUDFImpl for Ema {
    fn name(&self) -> &str {
        "native_ema"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn partition_evaluator(
        &self,
        _args: PartitionEvaluatorArgs<'_>,
    ) -> Result<Box<dyn PartitionEvaluator>> {
        Ok(Box::new(EmaEvaluator::default()))
    }

    fn field(&self, args: WindowUDFFieldArgs<'_>) -> Result<FieldRef> {
        Ok(Arc::new(Field::new(args.name(), DataType::Float64, true)))
    }
}

#[derive(Debug, Default)]
struct EmaEvaluator {
    mean: Option<f64>,
}

impl EmaEvaluator {
    fn next(&mut self, value: Option<f64>, alpha: f64) -> Option<f64> {
        if let Some(value) = value {
            let mean = self.mean.unwrap_or(value);
            self.mean = Some(mean + alpha * (value - mean));
        }
        self.mean
    }
}

impl PartitionEvaluator for EmaEvaluator {
    fn evaluate_all(&mut self, values: &[ArrayRef], _num_rows: usize) -> Result<ArrayRef> {
        let alphas = values[1].as_primitive::<Float64Type>();
        let values = values[0].as_primitive::<Float64Type>();
        let means = values
            .iter()
            .zip(alphas.values())
            .map(|(v, a)| self.next(v, *a));
        Ok(Arc::new(means.collect::<Float64Array>()))
    }

    fn evaluate(&mut self, values: &[ArrayRef], range: &Range<usize>) -> Result<ScalarValue> {
        let alphas = values[1].as_primitive::<Float64Type>();
        let values = values[0].as_primitive::<Float64Type>();
        let value = values
            .is_valid(range.start)
            .then(|| values.value(range.start));
        Ok(ScalarValue::Float64(
            self.next(value, alphas.value(range.start)),
        ))
    }

    fn supports_bounded_execution(&self) -> bool {
        true
    }

    fn is_causal(&self) -> bool {
        true
    }
}

/// Numbers at equal distances as the plugin `series` makes them.
pub fn native_linspace() -> Arc<dyn TableFunctionImpl> {
    Arc::new(Linspace)
}

#[derive(Debug)]
struct Linspace;

impl TableFunctionImpl for Linspace {
    fn call_with_args(&self, args: TableFunctionArgs) -> Result<Arc<dyn TableProvider>> {
        let [
            Expr::Literal(ScalarValue::Float64(Some(start)), _),
            Expr::Literal(ScalarValue::Float64(Some(stop)), _),
            Expr::Literal(ScalarValue::Int64(Some(count)), _),
        ] = args.exprs()
        else {
            return plan_err!("native_linspace takes three literals");
        };
        Ok(Arc::new(LinspaceTable(Points {
            start: *start,
            stop: *stop,
            count: *count,
            position: 0,
        })))
    }
}

#[derive(Debug)]
struct LinspaceTable(Points);

fn points_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("position", DataType::Int64, false),
        Field::new("value", DataType::Float64, false),
    ]))
}

#[async_trait::async_trait]
impl TableProvider for LinspaceTable {
    fn schema(&self) -> SchemaRef {
        points_schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        _state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let points = Arc::new(RwLock::new(self.0.clone()));
        let plan = LazyMemoryExec::try_new(points_schema(), vec![points])?;
        Ok(Arc::new(plan.with_projection(projection.cloned())))
    }
}

#[derive(Clone, Debug)]
struct Points {
    start: f64,
    stop: f64,
    count: i64,
    position: i64,
}

impl fmt::Display for Points {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} points", self.count)
    }
}

impl LazyBatchGenerator for Points {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn generate_next_batch(&mut self) -> Result<Option<RecordBatch>> {
        let end = (self.position + 8_192).min(self.count);
        if self.position == end {
            return Ok(None);
        }
        let step = (self.stop - self.start) / (self.count - 1).max(1) as f64;
        let value = |position: i64| match position {
            last if last == self.count - 1 && last > 0 => self.stop,
            _ => self.start + step * position as f64,
        };
        let positions = self.position..end;
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from_iter_values(positions.clone())),
            Arc::new(Float64Array::from_iter_values(positions.map(value))),
        ];
        self.position = end;
        Ok(Some(RecordBatch::try_new(points_schema(), columns)?))
    }

    fn reset_state(&self) -> Arc<RwLock<dyn LazyBatchGenerator>> {
        Arc::new(RwLock::new(Self {
            position: 0,
            ..self.clone()
        }))
    }
}
