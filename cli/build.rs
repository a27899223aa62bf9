//! Collects the sources of the SDK's crates for `wasmfusion new`, with manifests that stand alone.

use std::error::Error;
use std::fmt::Write;
use std::path::{Component, Path, PathBuf};
use std::{env, fs};

use toml_edit::{DocumentMut, InlineTable, Item, Table, TableLike, Value};

type Result<T, E = Box<dyn Error>> = std::result::Result<T, E>;

/// The SDK's crates, from its folder.
const CRATES: [&str; 3] = ["", "abi", "macros"];

fn main() -> Result<()> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?)
        .join("..")
        .canonicalize()?;
    let sdk = root.join("udf-sdk");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let workspace: DocumentMut = read(&root.join("Cargo.toml"))?.parse()?;

    let mut list = String::from("&[\n");
    for name in CRATES {
        let folder = sdk.join(name);
        let manifest = alone(
            &read(&folder.join("Cargo.toml"))?,
            &workspace,
            &Path::new("udf-sdk").join(name),
        )?;
        writeln!(
            list,
            "({:?}, {manifest:?}),",
            Path::new(name).join("Cargo.toml")
        )?;
        let mut files = Vec::new();
        collect(&folder.join("src"), &mut files)?;
        files.extend(Some(folder.join("README.md")).filter(|file| file.is_file()));
        for file in files {
            writeln!(
                list,
                "({:?}, include_str!({file:?})),",
                file.strip_prefix(&sdk)?
            )?;
        }
    }
    writeln!(
        list,
        "(\"LICENSE\", include_str!({:?})),\n]",
        root.join("LICENSE")
    )?;
    fs::write(out.join("sdk_files.rs"), list)?;
    Ok(())
}

fn read(path: &Path) -> Result<String> {
    println!("cargo::rerun-if-changed={}", path.display());
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()).into())
}

/// All source files below a folder, sorted.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut entries = fs::read_dir(folder)?
        .map(|entry| entry.map(|e| e.path()))
        .collect::<Result<Vec<_>, _>>()?;
    entries.sort();
    for path in entries {
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

/// A manifest with everything in its place that it has from the workspace. `folder` is that of its crate, from the workspace's root.
fn alone(manifest: &str, workspace: &DocumentMut, folder: &Path) -> Result<String> {
    let mut manifest: DocumentMut = manifest.parse()?;
    let inherited = &workspace["workspace"];
    if let Some(package) = manifest["package"].as_table_like_mut() {
        for (key, value) in package.iter_mut() {
            if is_inherited(value) {
                *value = get(inherited, &["package", key.get()])?;
            }
        }
    }
    for kind in ["dependencies", "build-dependencies", "dev-dependencies"] {
        inherit_dependencies(manifest.get_mut(kind), inherited, folder)?;
    }
    if let Some(targets) = manifest.get_mut("target").and_then(Item::as_table_like_mut) {
        for (_, target) in targets.iter_mut() {
            inherit_dependencies(target.get_mut("dependencies"), inherited, folder)?;
        }
    }
    if manifest.get("lints").is_some_and(is_inherited) {
        manifest["lints"] = get(inherited, &["lints"])?;
        if let Some(lints) = manifest["lints"].as_table_mut() {
            place_last(lints);
        }
    }
    Ok(manifest.to_string())
}

/// Tables are written in the order of where they were read, so those of another file get a place after all others.
fn place_last(lints: &mut Table) {
    lints.set_position(Some(1_000));
    for (place, (_, group)) in lints.iter_mut().enumerate() {
        if let Some(group) = group.as_table_mut() {
            group.set_position(Some(1_001 + place as isize));
        }
    }
}

fn inherit_dependencies(
    dependencies: Option<&mut Item>,
    inherited: &Item,
    folder: &Path,
) -> Result<()> {
    let Some(dependencies) = dependencies.and_then(Item::as_table_like_mut) else {
        return Ok(());
    };
    for (name, dependency) in dependencies.iter_mut() {
        if !is_inherited(dependency) {
            continue;
        }
        let mut whole = match get(inherited, &["dependencies", name.get()])? {
            Item::Value(Value::InlineTable(table)) => table,
            Item::Value(version) => InlineTable::from_iter([("version", version)]),
            _ => {
                return Err(format!(
                    "workspace.dependencies.{name} is a table that build.rs does not know"
                )
                .into());
            }
        };
        if let Some(path) = whole.get("path").and_then(Value::as_str) {
            let path = relative(folder, Path::new(path));
            whole.insert("path", path.into());
        }
        for (key, value) in dependency
            .as_table_like()
            .into_iter()
            .flat_map(TableLike::iter)
        {
            match (key, value.as_value()) {
                ("workspace", _) => {}
                ("features", Some(Value::Array(more))) => {
                    let mut features = whole
                        .get("features")
                        .and_then(Value::as_array)
                        .cloned()
                        .unwrap_or_default();
                    features.extend(more.iter().cloned());
                    whole.insert("features", features.into());
                }
                (_, Some(value)) => {
                    whole.insert(key, value.clone());
                }
                (_, None) => {
                    return Err(
                        format!("{name}.{key} is something that build.rs does not know").into(),
                    );
                }
            }
        }
        *dependency = Item::Value(whole.into());
    }
    Ok(())
}

/// Whether it says `workspace = true`.
fn is_inherited(item: &Item) -> bool {
    item.get("workspace").and_then(Item::as_bool) == Some(true)
}

fn get(item: &Item, keys: &[&str]) -> Result<Item> {
    let mut item = item;
    for key in keys {
        item = item
            .get(key)
            .ok_or_else(|| format!("the workspace has no {}", keys.join(".")))?;
    }
    Ok(item.clone())
}

/// The way from one folder to another, both from the same root.
fn relative(from: &Path, to: &Path) -> String {
    let parts = |path: &Path| -> Vec<String> {
        let names = path
            .components()
            .filter(|part| matches!(part, Component::Normal(_)));
        names
            .map(|part| part.as_os_str().to_string_lossy().into_owned())
            .collect()
    };
    let (from, to) = (parts(from), parts(to));
    let shared = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    let mut way = vec!["..".to_owned(); from.len() - shared];
    way.extend_from_slice(&to[shared..]);
    way.join("/")
}
