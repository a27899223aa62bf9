//! Makes chains of nested calls, in a physical expression.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use datafusion::arrow::datatypes::{DataType, FieldRef, Schema};
use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::logical_expr::{ScalarUDF, Signature, Volatility};
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};

use super::{Chain, ChainStep};
use crate::function::fixed::{Source, Sources};
use crate::function::{ScalarFunction, signature};
use crate::instance::Isolation;
use crate::module::ParamType;
use crate::plugin::FunctionRef;

/// Most functions in a chain, and most of its arguments.
const STEPS_MAX: usize = 32;
const INPUTS_MAX: usize = 32;

/// `expression`, which is evaluated on batches of this schema, with chains in place of nested calls of functions of one plugin.
///
/// # Errors
///
/// Those of DataFusion, if the expression does not fit the schema.
pub(crate) fn fuse(
    expression: Arc<dyn PhysicalExpr>,
    schema: &Schema,
) -> Result<Transformed<Arc<dyn PhysicalExpr>>> {
    expression.transform_down(|node| {
        let call = node.downcast_ref::<ScalarFunctionExpr>();
        Ok(match call.and_then(|call| chain(call, schema)) {
            Some(chain) => Transformed::yes(Arc::new(chain) as Arc<dyn PhysicalExpr>),
            None => Transformed::no(node),
        })
    })
}

/// The chain that ends with this call, if there is one.
fn chain(last: &ScalarFunctionExpr, schema: &Schema) -> Option<ScalarFunctionExpr> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    // Most calls have no calls among their arguments.
    let is_call = |arg: &Arc<dyn PhysicalExpr>| arg.downcast_ref::<ScalarFunctionExpr>().is_some();
    if !last.args().iter().any(is_call) {
        return None;
    }
    let mut links = Links {
        schema,
        inputs: Vec::new(),
        types: Vec::new(),
        steps: Vec::new(),
    };
    let name = links.add(last)?;
    let Links {
        inputs,
        types,
        steps,
        ..
    } = links;
    if steps.len() < 2 || inputs.is_empty() {
        return None;
    }
    let udf = ScalarUDF::from(Chain {
        number: NUMBER.fetch_add(1, Ordering::Relaxed),
        signature: Signature::any(inputs.len(), Volatility::Stable),
        inputs: types,
        steps,
        name,
    });
    Some(ScalarFunctionExpr::new(
        udf.name(),
        Arc::new(udf.clone()),
        inputs,
        last.return_field(schema).ok()?,
        Arc::new(last.config_options().clone()),
    ))
}

/// A chain that is being made.
struct Links<'s> {
    schema: &'s Schema,
    inputs: Vec<Arc<dyn PhysicalExpr>>,
    types: Vec<DataType>,
    steps: Vec<ChainStep>,
}

impl Links<'_> {
    /// Adds a call behind those that it takes its arguments from, and says what it is: `f(g(_), _)`. `None` if it cannot be in a chain.
    fn add(&mut self, call: &ScalarFunctionExpr) -> Option<String> {
        let udf = call.fun();
        let sql = ScalarFunction::of(udf)?;
        let args = call.args();
        let fields: Option<Vec<FieldRef>> = args
            .iter()
            .map(|arg| arg.return_field(self.schema).ok())
            .collect();
        let arg_fields = fields?;
        let types = || arg_fields.iter().map(|f| f.data_type().clone()).collect();
        let function = sql.overload(types).ok()?;
        let result = call.return_field(self.schema).ok()?;
        let stays = udf.signature().volatility != Volatility::Volatile
            && !function.decl().bind
            && function.plugin.module().pool().options().isolation != Isolation::Call
            && result.data_type().primitive_width().is_some();
        if !stays {
            return None;
        }
        let mut sources = Sources::new();
        let mut names = Vec::with_capacity(args.len());
        for (place, arg) in args.iter().enumerate() {
            let ParamType::Exact(target) = &signature::param(function.decl(), place)?.ty else {
                return None;
            };
            if target != arg_fields[place].data_type() || target.primitive_width().is_none() {
                return None;
            }
            let (source, name) = match self.earlier(arg, function) {
                Some(found) => found,
                None => (self.input(arg, target)?, "_".to_owned()),
            };
            sources.push(source);
            names.push(name);
        }
        if self.steps.len() == STEPS_MAX {
            return None;
        }
        self.steps.push(ChainStep {
            udf: Arc::new(udf.clone()),
            function: function.clone(),
            sources,
            arg_fields,
            result,
        });
        Some(format!("{}({})", sql.name(), names.join(", ")))
    }

    /// The step that an argument is the result of, if it is a call that can be in the chain.
    fn earlier(
        &mut self,
        arg: &Arc<dyn PhysicalExpr>,
        caller: &FunctionRef,
    ) -> Option<(Source, String)> {
        let call = arg.downcast_ref::<ScalarFunctionExpr>()?;
        let plugin = ScalarFunction::of(call.fun())?.plugin();
        if !Arc::ptr_eq(plugin, &caller.plugin) {
            return None;
        }
        let (inputs, steps) = (self.inputs.len(), self.steps.len());
        let name = self.add(call);
        if name.is_none() {
            self.inputs.truncate(inputs);
            self.types.truncate(inputs);
            self.steps.truncate(steps);
        }
        let name = name?;
        Some((Source::Step(self.steps.len() - 1), name))
    }

    /// The input that an argument is. The same expression crosses once.
    fn input(&mut self, arg: &Arc<dyn PhysicalExpr>, target: &DataType) -> Option<Source> {
        if let Some(place) = self.inputs.iter().position(|input| input == arg) {
            return Some(Source::Input(place));
        }
        if self.inputs.len() == INPUTS_MAX {
            return None;
        }
        self.inputs.push(Arc::clone(arg));
        self.types.push(target.clone());
        Some(Source::Input(self.inputs.len() - 1))
    }
}
