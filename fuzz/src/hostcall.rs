//! A guest that does what the input says: host calls of any kind, one after the other, with any arguments.
//!
//! ```text
//! input:    length ┊ program, `length` calls ┊ what a server answers to HTTP and TCP
//! a call:   number of the host function ┊ two bytes for each parameter
//! ```
//!
//! Two bytes below [`PORT`] are a number or an address as they stand, those from [`NEGATIVE`] on a negative one: an address far beyond memory.
//! An `f64` is read from its address. Names that mean something, and requests made of them, lie at addresses from [`NAMES_AT`] on; the program itself at
//! [`PROGRAM_AT`], so that a fuzzer makes names of its own there.

use std::fmt::Write as _;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use datafusion::arrow::array::{ArrayRef, BinaryArray, Int64Array, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::streaming::StreamingTable;
use datafusion::common::DataFusionError;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::memory::MemoryStream;
use datafusion::physical_plan::streaming::PartitionStream;
use datafusion::physical_plan::{ExecutionPlan, collect};
use datafusion::prelude::{SessionConfig, SessionContext};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};
use wasmfusion::{
    Distance, LocalContext, NearestNeighbours, Outcome, PluginSettings, Registry, RegistryOptions,
    SecretSource, SessionContextExt, SnapshotTable,
};

use super::assert_printable;

/// Every host function, and its parameters: `i` for `i32`, `l` for `i64`, `d` for `f64`.
const FUNCTIONS: [(&str, &str); 32] = [
    ("reply", "ii"),
    ("error", "ii"),
    ("close", "i"),
    ("log_enabled", "i"),
    ("log", "iiiii"),
    ("metric", "iiiii"),
    ("metric_record", "id"),
    ("config", "iiii"),
    ("secret", "iiii"),
    ("env", "iiii"),
    ("clock_realtime", ""),
    ("clock_monotonic", ""),
    ("random", "ii"),
    ("table_open", "iii"),
    ("table_get", "iiiii"),
    ("table_put", "iiiii"),
    ("table_delete", "iii"),
    ("table_scan", "iiiiiiii"),
    ("vector_open", "ii"),
    ("vector_search", "iiiiii"),
    ("file_open", "iii"),
    ("file_read", "iii"),
    ("file_write", "iii"),
    ("file_seek", "il"),
    ("file_size", "i"),
    ("file_list", "iiii"),
    ("file_remove", "ii"),
    ("http", "iii"),
    ("tcp_connect", "iiii"),
    ("tcp_read", "iii"),
    ("tcp_write", "iii"),
    ("exec", "iii"),
];

/// Two bytes from here on are a negative number.
const NEGATIVE: u16 = 0xff00;
/// Two bytes that are the server's port.
const PORT: u16 = NEGATIVE - 1;
/// Where the names lie, one after every [`NAME_BYTES`].
const NAMES_AT: u16 = 4096;
const NAME_BYTES: u16 = 128;
/// Where requests lie that are made of the names.
const HTTP_REQUEST_AT: u16 = 7168;
const EXEC_REQUEST_AT: u16 = 7232;
const PAIRS_AT: u16 = 7296;
/// Where the program lies.
const PROGRAM_AT: u16 = 8192;
/// Where the words of an error go.
const ERROR_AT: u16 = 2048;
const ERROR_BYTES: u16 = NAMES_AT - ERROR_AT;
/// Where there is room for replies.
const ROOM_AT: u16 = 16384;
/// Longest input.
const INPUT_BYTES_MAX: usize = 4096;
/// Longest program, in calls. Every call is as long as the longest can be: what one is does not move the others.
const CALLS_MAX: usize = 64;
const CALL_BYTES: usize = 1 + 2 * 8;

/// Longest time that one host call takes: programs that never end are not what is looked for here.
const HOST_CALL_MS: u64 = 200;
/// What the granted secret is. Nobody but the guest may see it.
const SECRET: &str = "correct-horse-battery-staple";

/// A host call program. It ends with an answer or an error, and what of it is on record was granted.
pub fn hostcall(data: &[u8]) -> bool {
    let Some((calls, rest)) = data.split_first() else {
        return false;
    };
    if data.len() > INPUT_BYTES_MAX {
        return false;
    }
    let length = CALL_BYTES * usize::from(*calls).min(CALLS_MAX);
    let (program, answer) = rest.split_at(length.min(rest.len()));
    let mut host = host();
    *lock(&host.answer) = answer.to_vec();
    *lock(&host.program) = program.to_vec();
    host.run()
}

/// Programs from which fuzzing starts: every host function, as it is meant to be called.
pub fn hostcall_seeds() -> Vec<Vec<u8>> {
    let (room, length) = (ROOM_AT, 4096);
    // The length of a name is known where it is put into memory only; none is longer.
    let name = |place: Name| NAMES_AT + NAME_BYTES * place as u16;
    let bytes = |place: Name| text(place, "/tmp/.tmpABCDEF", 40_000).len() as u16;
    let open = |function: &'static str, place: Name, mode: u16| {
        (function, vec![name(place), bytes(place), mode])
    };
    let programs: Vec<Vec<(&str, Vec<u16>)>> = vec![
        vec![
            ("log_enabled", vec![3]),
            (
                "log",
                vec![3, name(Name::Text), bytes(Name::Text), PAIRS_AT, 1],
            ),
        ],
        vec![
            (
                "metric",
                vec![0, name(Name::Header), bytes(Name::Header), PAIRS_AT, 1],
            ),
            ("metric_record", vec![1, NAMES_AT]),
        ],
        vec![
            (
                "config",
                vec![name(Name::Config), bytes(Name::Config), room, length],
            ),
            ("config", vec![0, 0, room, 0]),
            ("reply", vec![room, length]),
        ],
        vec![
            (
                "secret",
                vec![name(Name::Secret), bytes(Name::Secret), room, length],
            ),
            ("log", vec![3, room, SECRET.len() as u16, 0, 0]),
            (
                "secret",
                vec![room, SECRET.len() as u16, room + 100, length],
            ),
        ],
        vec![("env", vec![name(Name::Env), bytes(Name::Env), room, length])],
        vec![
            ("clock_realtime", vec![]),
            ("clock_monotonic", vec![]),
            ("random", vec![room, 32]),
        ],
        vec![
            open("table_open", Name::Given, 1),
            ("table_get", vec![1, name(Name::Key), 5, room, length]),
            ("table_scan", vec![1, 0, 0, 0, 0, 10, room, length]),
            ("close", vec![1]),
        ],
        vec![
            open("table_open", Name::Scratch, 3),
            (
                "table_put",
                vec![1, name(Name::Key), 5, name(Name::Text), 5],
            ),
            ("table_get", vec![1, name(Name::Key), 5, room, 0]),
            ("reply", vec![room, length]),
            ("table_delete", vec![1, name(Name::Key), 5]),
        ],
        vec![
            ("vector_open", vec![name(Name::Index), bytes(Name::Index)]),
            (
                "vector_search",
                vec![1, name(Name::Vector), 2, 2, room, length],
            ),
        ],
        vec![
            open("file_open", Name::File, 1),
            ("file_size", vec![1]),
            ("file_seek", vec![1, 2]),
            ("file_read", vec![1, room, length]),
        ],
        vec![
            open("file_open", Name::NewFile, 15),
            ("file_write", vec![1, name(Name::Text), 5]),
            ("close", vec![1]),
            (
                "file_remove",
                vec![name(Name::NewFile), bytes(Name::NewFile)],
            ),
        ],
        vec![
            (
                "file_list",
                vec![name(Name::Folder), bytes(Name::Folder), room, length],
            ),
            open("file_open", Name::Outside, 1),
            open("file_open", Name::Link, 1),
            ("error", vec![room, length]),
        ],
        vec![
            ("http", vec![HTTP_REQUEST_AT, room, length]),
            ("reply", vec![room, length]),
        ],
        vec![
            ("tcp_connect", vec![name(Name::Host), 9, PORT, 50]),
            ("tcp_write", vec![1, name(Name::Text), 5]),
            ("tcp_read", vec![1, room, length]),
        ],
        vec![("exec", vec![EXEC_REQUEST_AT, room, length])],
    ];
    let answers: [&[u8]; 4] = [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello",
        b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        b"HTTP/1.1 301 Moved\r\nLocation: http://169.254.169.254/latest\r\n\r\n",
    ];
    let mut seeds = Vec::new();
    for program in programs {
        let mut seed = vec![program.len() as u8];
        for (function, arguments) in &program {
            let number = FUNCTIONS.iter().position(|(name, _)| name == function);
            let mut call = vec![number.expect("a host function") as u8];
            call.extend(arguments.iter().flat_map(|number| number.to_le_bytes()));
            call.resize(CALL_BYTES, 0);
            seed.extend(call);
        }
        let reaches_out = program
            .iter()
            .any(|(name, _)| ["http", "tcp_connect"].contains(name));
        for answer in if reaches_out { &answers[..] } else { &[] } {
            seeds.push([&seed, *answer].concat());
        }
        if !reaches_out {
            seeds.push(seed);
        }
        // One of a kind, too, without what should come before it.
        if let Some((_, alone)) = program.split_first()
            && !alone.is_empty()
        {
            let mut seed = seeds[seeds.len() - 1].clone();
            seed[0] -= 1;
            seed.drain(1..=CALL_BYTES);
            seeds.push(seed);
        }
    }
    seeds
}

/// What lies at [`NAMES_AT`].
#[derive(Clone, Copy)]
enum Name {
    Given,
    Scratch,
    Index,
    Secret,
    Config,
    Env,
    Folder,
    File,
    NewFile,
    Outside,
    Link,
    Command,
    Url,
    Host,
    Key,
    Vector,
    Method,
    Header,
    Text,
}

const NAMES: [Name; 19] = [
    Name::Given,
    Name::Scratch,
    Name::Index,
    Name::Secret,
    Name::Config,
    Name::Env,
    Name::Folder,
    Name::File,
    Name::NewFile,
    Name::Outside,
    Name::Link,
    Name::Command,
    Name::Url,
    Name::Host,
    Name::Key,
    Name::Vector,
    Name::Method,
    Name::Header,
    Name::Text,
];

fn text(name: Name, folder: &str, port: u16) -> String {
    match name {
        Name::Given => "given".to_owned(),
        Name::Scratch => "scratch".to_owned(),
        Name::Index => "near".to_owned(),
        Name::Secret => "key".to_owned(),
        Name::Config => "base".to_owned(),
        Name::Env => "PATH".to_owned(),
        Name::Folder => format!("{folder}/in"),
        Name::File => format!("{folder}/in/given.txt"),
        Name::NewFile => format!("{folder}/in/new/a"),
        Name::Outside => format!("{folder}/in/../out.txt"),
        Name::Link => format!("{folder}/in/link"),
        Name::Command => "true".to_owned(),
        Name::Url => format!("http://127.0.0.1:{port}/"),
        Name::Host => "127.0.0.1".to_owned(),
        Name::Key => "alpha".to_owned(),
        Name::Vector => "\0\0\0\0\0\0\u{80}\u{3f}".to_owned(),
        Name::Method => "GET".to_owned(),
        Name::Header => "header".to_owned(),
        Name::Text => "a text".to_owned(),
    }
}

/// The guest and what it is offered. Made once in a process.
struct Host {
    runtime: Runtime,
    session: SessionContext,
    registry: Registry,
    plan: Arc<dyn ExecutionPlan>,
    program: Arc<Mutex<Vec<u8>>>,
    answer: Arc<Mutex<Vec<u8>>>,
    folder: TempDir,
}

fn host() -> MutexGuard<'static, Host> {
    static HOST: OnceLock<Mutex<Host>> = OnceLock::new();
    lock(HOST.get_or_init(|| Mutex::new(Host::new())))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Host {
    fn new() -> Self {
        let folder = TempDir::new().expect("a folder");
        let path = folder.path().to_str().expect("its path is text");
        fs::create_dir_all(folder.path().join("in/new")).expect("a folder in it");
        for file in ["in/given.txt", "out.txt"] {
            fs::write(folder.path().join(file), file).expect("a file in it");
        }
        #[cfg(unix)]
        std::os::unix::fs::symlink("../out.txt", folder.path().join("in/link")).expect("a link");

        let answer = Arc::new(Mutex::new(Vec::new()));
        let port = serve(Arc::clone(&answer));
        let mut options = RegistryOptions::default();
        options.context = Arc::new(context());
        options.audit.history_records_max = 2 * CALLS_MAX;
        options.limits.host_call_timeout_ms = HOST_CALL_MS;
        options.limits.logs_per_second_max = u32::MAX;
        options.limits.metrics_per_second_max = u32::MAX;
        let registry = Registry::new(options);
        let grants = grants(path, port);
        let settings = grants.iter().fold(
            PluginSettings::default()
                .config("base", "EUR")
                .secret("key", SecretSource::Value(SECRET.into())),
            |settings, grant| settings.grant(grant).expect("a capability"),
        );
        registry
            .load_bytes_with(
                "forward.wat",
                guest(&grants, path, port).as_bytes(),
                &settings,
            )
            .unwrap_or_else(|error| panic!("{error}"));

        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let config = SessionConfig::new().with_target_partitions(1);
        let session = SessionContext::new_with_config(config);
        session
            .register_plugins(&registry)
            .expect("the names are free");
        let program = Arc::new(Mutex::new(Vec::new()));
        let schema = Arc::new(Schema::new(vec![Field::new(
            "program",
            DataType::Binary,
            false,
        )]));
        let partition = Program {
            program: Arc::clone(&program),
            schema: Arc::clone(&schema),
        };
        let table =
            StreamingTable::try_new(schema, vec![Arc::new(partition)]).expect("a table of one");
        session
            .register_table("programs", Arc::new(table))
            .expect("the name is free");
        let plan = runtime.block_on(async {
            let query = session
                .sql("SELECT forward(program) FROM programs")
                .await
                .expect("the function is there");
            query.create_physical_plan().await.expect("it has a plan")
        });
        Self {
            runtime,
            session,
            registry,
            plan,
            program,
            answer,
            folder,
        }
    }

    /// Runs the program, and looks at what it left.
    fn run(&mut self) -> bool {
        let audit = self.registry.audit().expect("there is one");
        let before = audit.records().len();
        let plan = Arc::clone(&self.plan)
            .reset_state()
            .expect("it starts anew");
        let result = self
            .runtime
            .block_on(collect(plan, self.session.task_ctx()));
        let said = match &result {
            Ok(batches) => {
                assert_eq!(batches[0].num_rows(), 1);
                None
            }
            Err(error) => {
                let text = error.to_string();
                assert_printable(&text);
                assert!(!text.contains(SECRET), "the secret is in {text:?}");
                assert!(!text.contains("panic"), "{text}");
                Some(text)
            }
        };
        let records = audit.records();
        // Older ones are gone when there is no room.
        let new = match before + CALLS_MAX + 1 > 2 * CALLS_MAX {
            true => &records[..],
            false => &records[before..],
        };
        for record in new {
            assert_printable(&format!(" {}", record.target));
            assert!(!record.target.contains(SECRET), "{record:?}");
            if record.outcome == Outcome::Ok {
                self.assert_granted(record.operation, &record.target);
            }
        }
        if let (Ok(batches), Some(record)) = (&result, records.last()) {
            let calls = batches[0].column(0).as_any().downcast_ref::<Int64Array>();
            assert!(calls.is_some_and(|calls| calls.value(0) >= 0), "{record:?}");
        }
        let outside = fs::read_to_string(self.folder.path().join("out.txt"));
        assert_eq!(outside.expect("it is there"), "out.txt");
        said.is_none()
    }

    /// That what was done is nothing but what was granted.
    fn assert_granted(&self, operation: &str, target: &str) {
        let inside = |target: &str| {
            let path = self.folder.path().join("in");
            target.starts_with(path.to_str().expect("it is text")) && !target.contains("/../")
        };
        let granted = match operation {
            "secret" => target == "key",
            "env" => target == "PATH",
            "table_open" | "table_get" | "table_put" | "table_delete" | "table_scan" => {
                ["given", "scratch"]
                    .iter()
                    .any(|name| target.starts_with(name))
            }
            "vector_open" | "vector_search" => target.starts_with("near"),
            operation if operation.starts_with("file_") => inside(target),
            "http" => target.starts_with("http://127.0.0.1:"),
            "tcp_connect" | "tcp_read" | "tcp_write" => target.starts_with("127.0.0.1:"),
            "exec" => target == "true" || target.starts_with("true "),
            _ => true,
        };
        assert!(granted, "{operation} of {target:?} was not granted");
    }
}

/// What the guest asks for and gets.
fn grants(folder: &str, port: u16) -> Vec<String> {
    vec![
        "log".into(),
        "metric:emit".into(),
        "config".into(),
        "clock".into(),
        "random".into(),
        "secret:key".into(),
        "env:PATH".into(),
        "table:read:given".into(),
        "table:read:scratch".into(),
        "table:write:scratch".into(),
        "vector:search:near".into(),
        format!("fs:read:{folder}/in/**"),
        format!("fs:write:{folder}/in/new/?"),
        format!("net:http:127.0.0.1:{port}"),
        format!("net:connect:127.0.0.1:{port}"),
        "exec:true".into(),
    ]
}

/// The table `given` and the index `near`, and room for tables of its own.
fn context() -> LocalContext {
    let keys: ArrayRef = Arc::new(StringArray::from(vec!["alpha", "beta"]));
    let values: ArrayRef = Arc::new(BinaryArray::from(vec![b"1".as_slice(), b"2"]));
    let given = RecordBatch::try_from_iter([("key", keys), ("value", values)]).expect("a batch");
    let given = SnapshotTable::from_batches(&[given], "key").expect("a table");
    let near = NearestNeighbours::build(
        vec![b"a".to_vec(), b"b".to_vec()],
        vec![0.0, 0.0, 1.0, 0.0],
        2,
        Distance::Euclidean,
    );
    let context = LocalContext::default();
    context
        .add_table("given", Arc::new(given))
        .expect("the name is free");
    context
        .add_index("near", Arc::new(near.expect("an index")))
        .expect("the name is free");
    context
}

/// A server on this machine that answers whatever it is told to, to anybody. Its port.
fn serve(answer: Arc<Mutex<Vec<u8>>>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let respond = move |mut stream: TcpStream| {
        // Nobody may be there any more, or say anything.
        let _ = stream.set_read_timeout(Some(Duration::from_millis(HOST_CALL_MS / 2)));
        let _ = stream.read(&mut [0; 4096]);
        let _ = stream.write_all(&lock(&answer));
    };
    std::thread::spawn(move || listener.incoming().flatten().for_each(respond));
    port
}

/// The program as a table of one row.
#[derive(Debug)]
struct Program {
    program: Arc<Mutex<Vec<u8>>>,
    schema: SchemaRef,
}

impl PartitionStream for Program {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let program = BinaryArray::from(vec![lock(&self.program).as_slice()]);
        let schema = Arc::clone(&self.schema);
        let stream = RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(program)])
            .map_err(DataFusionError::from)
            .and_then(|batch| MemoryStream::try_new(vec![batch], schema, None));
        Box::pin(stream.expect("a batch of one row"))
    }
}

/// The guest, in WebAssembly text: `forward(program BINARY) -> BIGINT` does the calls and returns how many they were. If the last one was
/// refused, it fails with the host's words.
fn guest(grants: &[String], folder: &str, port: u16) -> String {
    let wat_type = |letter| match letter {
        'i' => "i32",
        'l' => "i64",
        _ => "f64",
    };
    let (mut imports, mut cases) = (String::new(), String::new());
    for (number, (name, params)) in FUNCTIONS.iter().enumerate() {
        let types: Vec<&str> = params.chars().map(wat_type).collect();
        let types = types.join(" ");
        writeln!(
            imports,
            "(import \"wasmfusion\" \"{name}\" (func ${name} (param {types}) (result i64)))"
        )
        .expect("it is a string");
        let arguments: String = params
            .chars()
            .enumerate()
            .map(|(place, letter)| {
                let number = format!("(call $number (local.get $at) (i32.const {place}))");
                match letter {
                    'i' => number,
                    'l' => format!("(i64.extend_i32_s {number})"),
                    _ => format!("(f64.load (i32.and {number} (i32.const 0xffff)))"),
                }
            })
            .collect();
        write!(
            cases,
            "(if (i32.eq (local.get $function) (i32.const {number}))
               (then (local.set $answer (call ${name} {arguments}))))\n"
        )
        .expect("it is a string");
    }
    let manifest = format!(
        r#"{{"name": "forward", "version": "1.0.0", "functions": [{{"name": "forward", "params": [{{"name": "program", "type": "Binary"}}],
        "returns": {{"type": "Int64"}}, "volatility": "volatile"}}], "capabilities": {grants:?}}}"#
    );
    let mut data = String::new();
    let mut put = |at: u16, bytes: &[u8]| {
        let bytes: String = bytes.iter().map(|byte| format!("\\{byte:02x}")).collect();
        writeln!(data, "(data (i32.const {at}) \"{bytes}\")").expect("it is a string");
    };
    let words = |words: &[u32]| -> Vec<u8> { words.iter().flat_map(|w| w.to_le_bytes()).collect() };
    let slice = |name: Name| {
        let length = text(name, folder, port).len() as u32;
        [
            u32::from(NAMES_AT) + u32::from(NAME_BYTES) * name as u32,
            length,
        ]
    };
    assert!(manifest.len() < usize::from(ERROR_AT) - 64);
    put(16, &words(&[64, manifest.len() as u32]));
    put(64, manifest.as_bytes());
    for name in NAMES {
        let text = text(name, folder, port);
        assert!(text.len() <= usize::from(NAME_BYTES), "{text}");
        put(NAMES_AT + NAME_BYTES * name as u16, text.as_bytes());
    }
    let ([method, url, command, header], value) = (
        [Name::Method, Name::Url, Name::Command, Name::Header].map(slice),
        slice(Name::Text),
    );
    let pairs = u32::from(PAIRS_AT);
    put(
        HTTP_REQUEST_AT,
        &words(&[[method, url, [pairs, 1], value].concat(), vec![0]].concat()),
    );
    put(
        EXEC_REQUEST_AT,
        &words(&[[command, [pairs, 1], value].concat(), vec![0]].concat()),
    );
    put(PAIRS_AT, &words(&[header, value].concat()));
    format!(
        r#"(module
  {imports}
  (memory (export "memory") 4)
  {data}
  (func (export "wasmfusion_abi_version") (result i32) (i32.const 1))
  (func (export "wasmfusion_describe") (result i32) (i32.const 16))
  (func (export "wasmfusion_alloc") (param i32 i32) (result i32) (i32.const 65536))
  ;; Argument `place` of the call at an address.
  (func $number (param $at i32) (param $place i32) (result i32)
    (local $number i32)
    (local.set $number
      (i32.load16_u offset=1 (i32.add (local.get $at) (i32.shl (local.get $place) (i32.const 1)))))
    (if (i32.eq (local.get $number) (i32.const {PORT})) (then (return (i32.const {port}))))
    (if (i32.ge_u (local.get $number) (i32.const {NEGATIVE}))
      (then (local.set $number (i32.extend16_s (local.get $number)))))
    (local.get $number))
  (func $call (param $at i32) (result i64)
    (local $function i32) (local $answer i64)
    (local.set $function (i32.load8_u (local.get $at)))
    {cases}
    (local.get $answer))
  (func (export "forward") (param $frame i32) (result i32)
    (local $buffers i32) (local $length i32) (local $at i32) (local $end i32) (local $answer i64) (local $calls i64)
    (local.set $buffers (i32.load offset=40 (i32.load offset=8 (local.get $frame))))
    (local.set $length (i32.load offset=4 (i32.load offset=4 (local.get $buffers))))
    (memory.copy (i32.const {PROGRAM_AT}) (i32.load offset=8 (local.get $buffers)) (local.get $length))
    (local.set $at (i32.const {PROGRAM_AT}))
    (local.set $end (i32.add (local.get $at) (local.get $length)))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
        (local.set $answer (call $call (local.get $at)))
        (local.set $calls (i64.add (local.get $calls) (i64.const 1)))
        (local.set $at (i32.add (local.get $at) (i32.const {CALL_BYTES})))
        (br $next)))
    (if (i64.lt_s (local.get $answer) (i64.const 0))
      (then
        (i32.store offset=32 (local.get $frame) (i32.const {ERROR_AT}))
        (i32.store offset=36 (local.get $frame)
          (i32.wrap_i64 (call $error (i32.const {ERROR_AT}) (i32.const {ERROR_BYTES}))))
        (return (i32.const 1))))
    (i64.store (i32.load offset=4 (i32.load offset=40 (i32.load offset=12 (local.get $frame)))) (local.get $calls))
    (i32.const 0)))"#
    )
}
