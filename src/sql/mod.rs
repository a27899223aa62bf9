//! `CREATE FUNCTION … LANGUAGE WASM`, `DROP FUNCTION`, the functions of operators, and what a session needs for them.

mod admin;
mod agreement;
mod create;
mod drop;
mod names;
mod planner;
mod session;
mod system;

pub use create::WasmFunctionFactory;
pub use session::{LeftOut, SessionContextExt};
