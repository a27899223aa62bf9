use wasmparser::{Operator, Validator, WasmFeatures};

use super::*;
use crate::module::Digest;
use crate::module::fixture::{binary, guest, noise, random};
use crate::module::probes::is_bulk;

fn bodies(bytes: &[u8]) -> Vec<FunctionBody<'_>> {
    let payloads = Parser::new(0).parse_all(bytes);
    payloads
        .filter_map(|payload| match payload.unwrap() {
            Payload::CodeSectionEntry(body) => Some(body),
            _ => None,
        })
        .collect()
}

fn operators<'a>(body: &FunctionBody<'a>) -> Vec<Operator<'a>> {
    let reader = body.get_operators_reader().unwrap();
    reader.into_iter().collect::<Result<_, _>>().unwrap()
}

/// The offset that a probe at the start of `operators` reads.
fn probe(operators: &[Operator<'_>]) -> Option<u64> {
    match operators {
        [
            Operator::I32Const { value: 0 },
            Operator::I32Load { memarg },
            Operator::Drop,
            ..,
        ] if memarg.memory == 1 => Some(memarg.offset),
        _ => None,
    }
}

/// Checks one function, the obvious way: reads both versions from the start and takes the probes out.
fn check_function(original: &FunctionBody<'_>, rewritten: &FunctionBody<'_>) {
    let (before, after) = (operators(original), operators(rewritten));
    let has = |f: fn(&Operator<'_>) -> bool| before.iter().any(f);
    let loops = before
        .iter()
        .filter(|op| matches!(op, Operator::Loop { .. }))
        .count();
    let calls = has(|op| matches!(op, Operator::Call { .. } | Operator::CallIndirect { .. }));

    let mut without = Vec::new();
    let mut probes = Vec::new();
    let mut i = 0;
    while i < after.len() {
        if let Some(offset) = probe(&after[i..]) {
            let expected_here = i == 0
                || matches!(after[i - 1], Operator::Loop { .. })
                || after.get(i + 3).is_some_and(is_bulk)
                || probes.len() == 1 && i == 3;
            assert!(expected_here, "a probe at operator {i}");
            probes.push(offset);
            i += 3;
            continue;
        }
        if let Operator::Loop { .. } = after[i] {
            assert!(probe(&after[i + 1..]).is_some(), "a loop without a probe");
        }
        if is_bulk(&after[i]) {
            let before = i.checked_sub(3).and_then(|k| probe(&after[k..]));
            assert!(before.is_some(), "a bulk instruction without a probe");
        }
        without.push(after[i].clone());
        i += 1;
    }
    assert_eq!(without, before);
    let bulk = before.iter().filter(|op| is_bulk(op)).count();
    let inside = loops + bulk;
    let expected = if inside > 0 || calls { inside + 1 } else { 0 };
    assert_eq!(probes.len(), expected);
    assert_eq!(
        probes,
        (0..probes.len() as u64).map(|k| 4 * k).collect::<Vec<_>>(),
        "offsets are unique"
    );
    check_offsets(original, rewritten);
}

/// Every operator of the rewritten function maps back to where it was.
fn check_offsets(original: &FunctionBody<'_>, rewritten: &FunctionBody<'_>) {
    let points = ProbePoints::find(original).unwrap();
    let starts = |body: &FunctionBody<'_>| -> Vec<usize> {
        let reader = body
            .get_operators_reader()
            .unwrap()
            .into_iter_with_offsets();
        reader
            .map(|op| op.unwrap().1 - body.range().start)
            .collect()
    };
    let (before, after) = (starts(original), starts(rewritten));
    let mut mapped: Vec<usize> = after
        .iter()
        .map(|&offset| points.original_offset(offset))
        .collect();
    mapped.dedup();
    assert_eq!(mapped, before);
}

#[test]
fn random_modules_keep_their_code() {
    let mut modules = 0;
    let mut loops = 0;
    for seed in 0..300 {
        let Some(original) = random(&noise(seed, 4096)) else {
            continue;
        };
        // The generator exports what it has: a module without exports has nothing that could run.
        if !has_export_section(&original) {
            continue;
        }
        modules += 1;
        let rewritten = instrument(&original, Probes::On).unwrap();
        Validator::new_with_features(proposals::ALLOWED | WasmFeatures::MULTI_MEMORY)
            .validate_all(&rewritten)
            .unwrap();
        let (before, after) = (bodies(&original), bodies(&rewritten));
        assert_eq!(before.len(), after.len());
        for (before, after) in before.iter().zip(&after) {
            loops += ProbePoints::find(before).unwrap().len();
            check_function(before, after);
        }

        let plain = instrument(&original, Probes::Off).unwrap();
        Validator::new_with_features(proposals::ALLOWED)
            .validate_all(&plain)
            .unwrap();
        let after = bodies(&plain);
        assert!(
            before
                .iter()
                .zip(&after)
                .all(|(a, b)| a.as_bytes() == b.as_bytes())
        );
    }
    assert!(
        modules > 100 && loops > 1000,
        "the test had {modules} modules and {loops} probes to look at"
    );
}

fn has_export_section(bytes: &[u8]) -> bool {
    let mut payloads = Parser::new(0).parse_all(bytes);
    payloads.any(|payload| matches!(payload, Ok(Payload::ExportSection(_))))
}

#[test]
fn leaves_without_loops_are_left_alone() {
    let original = guest("(func $leaf nop) (func (call $leaf))");
    let rewritten = instrument(&original, Probes::On).unwrap();
    let (before, after) = (bodies(&original), bodies(&rewritten));
    assert_eq!(before[3].as_bytes(), after[3].as_bytes());
    assert_eq!(after[4].as_bytes().len(), before[4].as_bytes().len() + 7);
}

#[test]
fn a_start_function_becomes_an_export() {
    let original = guest("(func $s) (start $s)");
    for probes in [Probes::On, Probes::Off] {
        let rewritten = instrument(&original, probes).unwrap();
        let mut start = None;
        for payload in Parser::new(0).parse_all(&rewritten) {
            match payload.unwrap() {
                Payload::StartSection { .. } => panic!("the start section is still there"),
                Payload::ExportSection(exports) => {
                    start = exports
                        .into_iter()
                        .map(Result::unwrap)
                        .find(|e| e.name == START_EXPORT)
                        .map(|e| e.index);
                }
                _ => {}
            }
        }
        assert_eq!(start, Some(3));
    }
}

#[test]
fn only_names_are_kept_of_the_custom_sections() {
    let original = binary(&format!(
        r#"(module (@custom "producers" "\00") (@custom ".debug_info" "x") (@custom "other" "y") {} (func $named nop))"#,
        crate::module::fixture::INTERFACE
    ));
    for probes in [Probes::On, Probes::Off] {
        let rewritten = instrument(&original, probes).unwrap();
        let customs: Vec<String> = Parser::new(0)
            .parse_all(&rewritten)
            .filter_map(|payload| match payload.unwrap() {
                Payload::CustomSection(section) => Some(section.name().to_owned()),
                _ => None,
            })
            .collect();
        assert_eq!(customs, ["name"]);
    }
}

#[test]
fn a_function_can_have_as_many_probes_as_the_page_has_words() {
    let with_loops = |count: usize| guest(&format!("(func {})", "loop end ".repeat(count)));
    let most = instrument(&with_loops(PROBES_MAX - 1), Probes::On).unwrap();
    Validator::new_with_features(WasmFeatures::all())
        .validate_all(&most)
        .unwrap();
    let error = instrument(&with_loops(PROBES_MAX), Probes::On).unwrap_err();
    assert_eq!(
        error.to_string(),
        "function 3 has 16384 loops, more than the 16383 that can be watched in one function; split it"
    );
    assert!(instrument(&with_loops(PROBES_MAX), Probes::Off).is_ok());
}

/// What is compiled of a module is kept on disk under this revision: see [`INSTRUMENT_REVISION`].
#[test]
fn the_revision_is_raised_with_every_change() {
    let module = binary(
        r#"(module (memory (export "memory") 1) (func $f (call $f)) (start $f)
             (func (export "loops") (param i32) (loop (br_if 0 (local.get 0)) (memory.fill (i32.const 0) (i32.const 1) (i32.const 2)))))"#,
    );
    let rewritten = instrument(&module, Probes::On).expect("it is valid");
    assert_eq!(
        (INSTRUMENT_REVISION, Digest::of(&rewritten).to_string()),
        (
            1,
            "1e79c1c0f1e4f57c341755514082070e28263ecdc5ca5eeebf4b227a1abafce7".to_owned()
        ),
        "raise INSTRUMENT_REVISION, and put the new digest here"
    );
}
