//! What the tests share: a session with plugins and real data, and the engine that runs `.slt` files in one.
//!
//! The tests themselves are in `tests/`, the statements and expectations in `cases/` and `evil/`.

mod engine;
mod session;

pub use engine::Engine;
pub use session::{
    built_plugins, cases, evil_guests, new_session, session_with_data, test_plugins,
};
