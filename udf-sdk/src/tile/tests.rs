//! Types that the SDK's own builders do not make.

use super::*;
use crate::raw::ArrowSchema;
use alloc::boxed::Box;
use alloc::ffi::CString;
use alloc::vec;

/// A type with this format.
fn data_type(format: &str, children: &[&Type]) -> Type {
    let format = CString::new(format).unwrap_or_default();
    let children: Vec<_> = children
        .iter()
        .map(|child| Box::into_raw(Box::new(child.export())))
        .collect();
    let schema = ArrowSchema {
        format: format.as_ptr().cast(),
        n_children: children.len() as i64,
        children: children.leak().as_mut_ptr(),
        ..ArrowSchema::EMPTY
    };
    // SAFETY: just made.
    unsafe { Type::read(&schema) }
}

/// An array that lives for ever.
fn array(length: usize, buffers: Vec<Vec<u8>>, children: Vec<ArrowArray>) -> ArrowArray {
    let aligned = |bytes: Vec<u8>| {
        let words = vec![0u64; bytes.len().div_ceil(8)].leak();
        let start = words.as_mut_ptr().cast::<u8>();
        // SAFETY: there is room for the bytes.
        unsafe { start.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        if bytes.is_empty() {
            ptr::null()
        } else {
            start.cast_const()
        }
    };
    let buffers: Vec<_> = buffers.into_iter().map(aligned).collect();
    let children: Vec<_> = children
        .into_iter()
        .map(|child| Box::into_raw(Box::new(child)))
        .collect();
    ArrowArray {
        length: length as i64,
        n_buffers: buffers.len() as i64,
        buffers: buffers.leak().as_mut_ptr(),
        n_children: children.len() as i64,
        children: children.leak().as_mut_ptr(),
        ..ArrowArray::EMPTY
    }
}

fn bytes<const N: usize, T: Copy>(values: &[T], to_bytes: impl Fn(T) -> [u8; N]) -> Vec<u8> {
    values.iter().flat_map(|value| to_bytes(*value)).collect()
}

fn tiled(array: &ArrowArray, data_type: &Type, times: usize, pool: &mut Pool) -> ArrowArray {
    let mut out = ArrowArray::EMPTY;
    // SAFETY: made above, for ever.
    let array = unsafe { Array::new(array) };
    let outcome = tile(array, data_type, times, &mut out, pool);
    assert!(outcome.is_ok());
    out
}

fn values<T: Clone>(array: &ArrowArray, buffer: usize, count: usize) -> Vec<T> {
    // SAFETY: arrays of these tests, with so many values there.
    unsafe {
        let start = Array::new(array).buffer::<T>(buffer);
        core::slice::from_raw_parts(start, count).to_vec()
    }
}

fn child(array: &ArrowArray, place: usize) -> ArrowArray {
    // SAFETY: arrays of these tests.
    *unsafe { Array::new(array) }.child(place).raw()
}

#[test]
fn repeats_views_without_their_data() {
    let view: Vec<u8> = (0..16).collect();
    let text = array(
        1,
        vec![
            vec![],
            view.clone(),
            vec![7; 20],
            20u64.to_ne_bytes().to_vec(),
        ],
        vec![],
    );
    let mut pool = Pool::new();
    let out = tiled(&text, &data_type("vu", &[]), 3, &mut pool);
    assert_eq!((out.length, out.n_buffers), (3, 4));
    assert_eq!(values::<u8>(&out, 1, 48), view.repeat(3));
    assert_eq!(values::<u8>(&out, 2, 20), [7; 20]);
}

#[test]
fn repeats_keys_of_a_dictionary() {
    let mut keys = array(1, vec![vec![], vec![5]], vec![]);
    keys.dictionary = Box::into_raw(Box::new(array(9, vec![], vec![])));
    let mut pool = Pool::new();
    let out = tiled(&keys, &data_type("c", &[]), 4, &mut pool);
    assert_eq!(values::<i8>(&out, 1, 4), [5; 4]);
    assert_eq!(out.dictionary, keys.dictionary);
}

#[test]
fn repeats_lists_in_lists() {
    let numbers = array(
        3,
        vec![vec![], bytes(&[1i16, 2, 3], i16::to_ne_bytes)],
        vec![],
    );
    let inner = array(
        2,
        vec![vec![], bytes(&[0i64, 1, 3], i64::to_ne_bytes)],
        vec![numbers],
    );
    let outer = array(
        1,
        vec![vec![], bytes(&[0i32, 2], i32::to_ne_bytes)],
        vec![inner],
    );
    let number = data_type("s", &[]);
    let large = data_type("+L", &[&number]);
    let mut pool = Pool::new();
    let out = tiled(&outer, &data_type("+l", &[&large]), 2, &mut pool);
    assert_eq!(values::<i32>(&out, 1, 3), [0, 2, 4]);
    let inner = child(&out, 0);
    assert_eq!(values::<i64>(&inner, 1, 5), [0, 1, 3, 4, 6]);
    assert_eq!(values::<i16>(&child(&inner, 0), 1, 6), [1, 2, 3, 1, 2, 3]);
}

#[test]
fn repeats_the_runs_of_a_list() {
    let ends = array(2, vec![vec![], bytes(&[2i16, 3], i16::to_ne_bytes)], vec![]);
    let letters = array(2, vec![vec![], vec![b'a', b'b']], vec![]);
    let runs = array(3, vec![], vec![ends, letters]);
    let list = array(
        1,
        vec![vec![], bytes(&[0i32, 3], i32::to_ne_bytes)],
        vec![runs],
    );
    let runs = data_type("+r", &[&data_type("s", &[]), &data_type("C", &[])]);
    let mut pool = Pool::new();
    let out = tiled(&list, &data_type("+l", &[&runs]), 2, &mut pool);
    let runs = child(&out, 0);
    assert_eq!((runs.length, runs.n_buffers), (6, 0));
    assert_eq!(values::<i16>(&child(&runs, 0), 1, 4), [2, 3, 5, 6]);
    assert_eq!(values::<u8>(&child(&runs, 1), 1, 4), b"abab");
}

#[test]
fn repeats_unions() {
    let numbers = || array(2, vec![vec![], vec![8, 9]], vec![]);
    let number = data_type("C", &[]);
    let mut pool = Pool::new();

    let dense = array(
        2,
        vec![vec![0, 1], bytes(&[1i32, 0], i32::to_ne_bytes)],
        vec![numbers(), numbers()],
    );
    let out = tiled(
        &dense,
        &data_type("+ud:0,1", &[&number, &number]),
        2,
        &mut pool,
    );
    assert_eq!(values::<i8>(&out, 0, 4), [0, 1, 0, 1]);
    assert_eq!(values::<i32>(&out, 1, 4), [1, 0, 1, 0]);
    assert_eq!(child(&out, 0).length, 2);

    let sparse = array(2, vec![vec![0, 1]], vec![numbers(), numbers()]);
    let out = tiled(
        &sparse,
        &data_type("+us:0,1", &[&number, &number]),
        2,
        &mut pool,
    );
    assert_eq!((out.length, out.n_buffers), (4, 1));
    assert_eq!(values::<u8>(&child(&out, 1), 1, 4), [8, 9, 8, 9]);
}

#[test]
fn repeats_nulls_and_fixed_sizes() {
    let mut pool = Pool::new();
    let mut nothing = array(1, vec![], vec![]);
    nothing.null_count = 1;
    let out = tiled(&nothing, &data_type("n", &[]), 5, &mut pool);
    assert_eq!((out.length, out.null_count), (5, 5));

    let mut decimal = array(1, vec![vec![0], vec![3; 32]], vec![]);
    decimal.null_count = 1;
    let out = tiled(&decimal, &data_type("d:76,0,256", &[]), 9, &mut pool);
    assert_eq!((out.null_count, values::<u8>(&out, 0, 2)), (9, vec![0, 0]));
    assert_eq!(values::<u8>(&out, 1, 288), [3; 288]);

    let pair = array(2, vec![vec![], vec![1, 2]], vec![]);
    let list = array(1, vec![vec![]], vec![pair]);
    let out = tiled(
        &list,
        &data_type("+w:2", &[&data_type("C", &[])]),
        2,
        &mut pool,
    );
    assert_eq!(values::<u8>(&child(&out, 0), 1, 4), [1, 2, 1, 2]);
}

#[test]
fn refuses_what_is_too_large() {
    let mut pool = Pool::new();
    let mut out = ArrowArray::EMPTY;
    let ends = array(1, vec![vec![], bytes(&[1i16], i16::to_ne_bytes)], vec![]);
    let runs = array(
        1,
        vec![],
        vec![ends, array(1, vec![vec![], vec![0]], vec![])],
    );
    let runs_type = data_type("+r", &[&data_type("s", &[]), &data_type("C", &[])]);
    // SAFETY: made above.
    let runs = unsafe { Array::new(&runs) };
    assert!(tile(runs, &runs_type, 40_000, &mut out, &mut pool).is_err());
    assert!(tile(runs, &data_type("?", &[]), 2, &mut out, &mut pool).is_err());
}
