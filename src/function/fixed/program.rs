//! What is called: one function, or several.

use datafusion::arrow::datatypes::{DataType, Field};
use smallvec::SmallVec;

use crate::function::signature;
use crate::instance::LayoutOf;
use crate::module::ParamType;
use crate::plugin::FunctionRef;

/// Where an argument comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::function) enum Source {
    /// It is copied into the guest.
    Input(usize),
    /// It is the result of an earlier step, where the guest has left it.
    Step(usize),
}

/// The sources of a step's arguments.
pub(in crate::function) type Sources = SmallVec<[Source; 6]>;

/// Calls in a row, each of a function of one plugin. The result of the last is that of all.
pub(in crate::function) trait Program {
    /// Under which its layout is kept.
    fn layout(&self) -> LayoutOf;

    /// The type that an input crosses as; `None` if it is of any.
    fn input_type(&self, place: usize) -> Option<&DataType>;

    /// How many calls.
    fn len(&self) -> usize;

    /// The function of a step, and its result.
    fn step(&self, step: usize) -> (&FunctionRef, &Field);

    /// Where its arguments come from, if there are `inputs` inputs.
    fn sources(&self, step: usize, inputs: usize) -> Sources;
}

/// One function, whose inputs are its arguments.
pub(in crate::function) struct Single<'a> {
    pub(in crate::function) function: &'a FunctionRef,
    pub(in crate::function) result: &'a Field,
}

impl Program for Single<'_> {
    #[inline]
    fn layout(&self) -> LayoutOf {
        LayoutOf::Function(self.function.place)
    }

    #[inline]
    fn input_type(&self, place: usize) -> Option<&DataType> {
        match &signature::param(self.function.decl(), place)?.ty {
            ParamType::Exact(target) => Some(target),
            ParamType::Any => None,
        }
    }

    #[inline]
    fn len(&self) -> usize {
        1
    }

    #[inline]
    fn step(&self, _step: usize) -> (&FunctionRef, &Field) {
        (self.function, self.result)
    }

    fn sources(&self, _step: usize, inputs: usize) -> Sources {
        (0..inputs).map(Source::Input).collect()
    }
}
