//! A directory of plugins that is watched, while its files come, change and go.

mod bounds;
mod copies;
mod files;
mod moves;
mod sessions;
mod under_load;
mod watching;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use datafusion::arrow::util::display::array_value_to_string;
use datafusion::prelude::SessionContext;
use wasmfusion::PluginDirectory;
use wasmfusion_sql_tests::Guest;

/// Longest time until a change is seen.
const SEEN_AFTER: Duration = Duration::from_secs(20);

/// A plugin `name` whose function `name` adds a number.
fn adding(name: &str, number: i64) -> String {
    let body = format!("(i64.add (local.get $x) (i64.const {number}))");
    Guest::new(name, &[], &body).text()
}

/// A plugin `plugin` whose function `function` adds a number. Both names are of one length.
fn adding_in(plugin: &str, function: &str, number: i64) -> String {
    assert_eq!(plugin.len(), function.len());
    let hex = |text: &str| -> String { text.bytes().map(|b| format!("\\{b:02x}")).collect() };
    let start = |name: &str| hex(&format!("{{\"name\": \"{name}\""));
    let text = adding(function, number);
    assert!(text.contains(&start(function)));
    // The first is the plugin's name.
    text.replacen(&start(function), &start(plugin), 1)
}

/// Puts a file into its place in one step, as tools that deploy do.
fn put(folder: &Path, name: &str, text: &str) {
    let new = folder.join(format!(".{name}.new"));
    fs::write(&new, text).expect("written");
    fs::rename(&new, folder.join(name)).expect("moved");
}

async fn value(ctx: &SessionContext, sql: &str) -> Result<String, String> {
    let frame = ctx.sql(sql).await.map_err(|error| error.to_string())?;
    let batches = frame.collect().await.map_err(|error| error.to_string())?;
    Ok(array_value_to_string(batches[0].column(0), 0).expect("text"))
}

/// Waits until a query says what is expected, or fails if `None`.
async fn until(ctx: &SessionContext, sql: &str, expected: Option<&str>) {
    let began = Instant::now();
    loop {
        let found = value(ctx, sql).await.ok();
        if found.as_deref() == expected {
            return;
        }
        assert!(
            began.elapsed() < SEEN_AFTER,
            "{sql}: {found:?}, expected {expected:?}"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn problem(directory: &PluginDirectory, name: &str) -> Option<String> {
    let files = directory.files();
    let file = files.iter().find(|file| file.path.ends_with(name));
    file.expect("the file is known").problem.clone()
}

/// Waits until a file is refused, or is not.
async fn until_refused(directory: &PluginDirectory, name: &str, refused: bool) {
    let began = Instant::now();
    while problem(directory, name).is_some() != refused {
        assert!(
            began.elapsed() < SEEN_AFTER,
            "{name}: {:?}",
            problem(directory, name)
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
