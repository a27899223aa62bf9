//! What the tests share: a session with plugins and real data, the engine that runs `.slt` files in one, and guests in text that call
//! the host.
//!
//! The tests themselves are in `tests/`, the statements and expectations in `cases/` and `evil/`.

mod call;
mod engine;
mod guest;
mod logged;
mod observers;
mod server;
mod session;

pub use call::call;
pub use engine::Engine;
pub use guest::{DATA, Guest, OUT};
pub use logged::Logged;
pub use observers::{COUNT, Observing, SUM};
pub use server::Server;
pub use session::{
    built_plugins, cases, evil_guests, new_session, session_with_data, test_plugins,
};
