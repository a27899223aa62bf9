//! Lines of files of the host: looked up, and added. Shows files that are read and written.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use wasmfusion_udf::host::fs::{self, File};
use wasmfusion_udf::prelude::*;

wasmfusion_udf::plugin! {
    capabilities: ["fs:read:/tmp/wasmfusion-files-*", "fs:write:/tmp/wasmfusion-files-*"],
}

/// The first line of a CSV file whose first field is the key. NULL if there is none.
#[udf(batch, volatility = "stable")]
pub fn lookup_line(
    path: Column<'_, &str>,
    key: Column<'_, &str>,
    out: &mut Output<'_, Option<String>>,
) -> Result<(), Error> {
    // A file is read once for a batch.
    let mut files: HashMap<&str, String> = HashMap::new();
    for (path, key) in path.iter().zip(key.iter()) {
        let text = match files.entry(path) {
            Entry::Occupied(file) => file.into_mut(),
            Entry::Vacant(file) => file.insert(fs::read_to_string(path)?),
        };
        let line = text.lines().find(|line| first_field(line) == key);
        out.push(line.map(str::to_owned));
    }
    Ok(())
}

/// Adds a line to a file, which is made if it is not there. Returns its size after that, in bytes.
#[udf(volatility = "volatile")]
pub fn append_line(path: &str, text: &str) -> Result<i64, Error> {
    if text.contains(['\n', '\r']) {
        return Err(Error::new("a line has no line break in it"));
    }
    let mut file = File::options().append(true).create(true).open(path)?;
    // In one piece, so that lines of queries that run at the same time do not get mixed.
    file.write_all(format!("{text}\n").as_bytes())?;
    Ok(i64::try_from(file.size()?)?)
}

/// The first field of a line of CSV, without its quotes.
fn first_field(line: &str) -> String {
    let Some(quoted) = line.strip_prefix('"') else {
        return line.split(',').next().unwrap_or_default().to_owned();
    };
    let mut field = String::new();
    let mut letters = quoted.chars().peekable();
    while let Some(letter) = letters.next() {
        // Two quotes are one, one is the end.
        if letter == '"' && letters.next_if_eq(&'"').is_none() {
            break;
        }
        field.push(letter);
    }
    field
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmfusion_udf::host::ErrorKind;
    use wasmfusion_udf::testing::{self, call};

    const PATH: &str = "/tmp/wasmfusion-files-airports.csv";

    #[test]
    fn looks_lines_up() {
        let csv = "BER,Berlin\r\n\"a \"\"b\"\", c\",quoted\nCDG,Paris\nBER,again\n";
        let host = testing::host().file(PATH, csv);
        let run = call!(lookup_line)
            .constant(PATH)
            .column(["CDG", "BER", "a \"b\", c", "XXX"])
            .run();
        let some = |line: &str| Some(line.to_owned());
        let quoted = some("\"a \"\"b\"\", c\",quoted");
        assert_eq!(
            run,
            Ok(vec![some("CDG,Paris"), some("BER,Berlin"), quoted, None])
        );
        assert_eq!((host.calls("file_open"), host.open_handles()), (1, 0));
    }

    #[test]
    fn adds_lines() {
        let host = testing::host();
        let run = call!(append_line)
            .constant(PATH)
            .column(["one", "two"])
            .run();
        assert_eq!(run, Ok(vec![4i64, 8]));
        assert_eq!(host.read_file(PATH).as_deref(), Some(&b"one\ntwo\n"[..]));
        assert!(append_line(PATH, "a\nb").is_err());
    }

    #[test]
    fn says_what_the_host_says() {
        let _host = testing::host().failing("file_open", ErrorKind::Denied, "/etc was not granted");
        let run = call!(lookup_line)
            .constant("/etc/passwd")
            .column(["root"])
            .run::<Option<String>>();
        assert_eq!(run, Err("/etc was not granted".to_owned()));
    }
}
