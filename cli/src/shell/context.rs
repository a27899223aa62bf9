//! The session as datafusion-cli's functions see it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use datafusion::config::Dialect;
use datafusion::dataframe::DataFrame;
use datafusion::error::Result;
use datafusion::execution::TaskContext;
use datafusion::execution::context::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::object_store::ObjectStore;
use datafusion::prelude::SessionContext;
use datafusion_cli::cli_context::CliSessionContext;
use url::Url;
use wasmfusion::{MetricsPublisher, PluginDirectory, Registry, SessionContextExt};

/// A session with plugins. Plans that datafusion-cli makes are executed by way of [`SessionContextExt::execute_wasm_plan`].
pub struct ShellContext {
    session: SessionContext,
    registry: Registry,
    /// The texts of the statements that datafusion-cli is about to execute, in their order: observers are told them.
    texts: Mutex<VecDeque<String>>,
    /// Watched as long as the shell runs.
    directories: Vec<PluginDirectory>,
    #[expect(dead_code, reason = "held for its drop")]
    metrics: Option<MetricsPublisher>,
}

impl ShellContext {
    /// `session`, in which functions can be created by way of `registry`.
    pub fn new(
        session: SessionContext,
        registry: &Registry,
        metrics: Option<MetricsPublisher>,
    ) -> Result<Self> {
        session.register_plugins(registry)?;
        Ok(Self {
            session,
            registry: registry.clone(),
            texts: Mutex::default(),
            directories: Vec::new(),
            metrics,
        })
    }

    /// Keeps a directory of plugins watched.
    pub fn watch(&mut self, directory: PluginDirectory) {
        self.directories.push(directory);
    }

    /// Where plugins are loaded.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Says what datafusion-cli executes next.
    pub fn announce(&self, statements: impl IntoIterator<Item = String>) {
        *self.texts() = statements.into_iter().collect();
    }

    fn texts(&self) -> MutexGuard<'_, VecDeque<String>> {
        self.texts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The session.
    pub fn session(&self) -> &SessionContext {
        &self.session
    }

    /// The dialect of SQL that is set now.
    pub fn dialect(&self) -> Dialect {
        self.session
            .state_ref()
            .read()
            .config()
            .options()
            .sql_parser
            .dialect
    }
}

#[async_trait]
impl CliSessionContext for ShellContext {
    fn task_ctx(&self) -> Arc<TaskContext> {
        self.session.task_ctx()
    }

    fn session_state(&self) -> SessionState {
        self.session.state()
    }

    fn register_object_store(
        &self,
        url: &Url,
        object_store: Arc<dyn ObjectStore>,
    ) -> Option<Arc<dyn ObjectStore>> {
        self.session.register_object_store(url, object_store)
    }

    fn register_table_options_extension_from_scheme(&self, scheme: &str) {
        self.session
            .register_table_options_extension_from_scheme(scheme);
    }

    async fn execute_logical_plan(&self, plan: LogicalPlan) -> Result<DataFrame> {
        let text = self.texts().pop_front();
        match text {
            Some(text) => self.session.execute_wasm_plan_of(text.trim(), plan).await,
            None => self.session.execute_wasm_plan(plan).await,
        }
    }
}
