//! Every result of the approximate functions of f32: approximate.h100.zlib, recorded by benches/gpu/approximate.py, has for
//! each binade Σ bits · (mantissa + 1)², modulo 2^64, as an H100 gave it.
//!
//! A few binades of each function by default; all 2^32 arguments of each with `WARPBOOK_EXHAUSTIVE=1` (minutes).

use std::io::Read;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use warpbook_emulator::arithmetic::approximate::{cos, ex2, flushed, lg2, rcp, rsqrt, sin, sqrt, tanh};
use warpbook_emulator::arithmetic::float::{bits32, flush};

type Function = fn(u32) -> u32;

/// Form, the function, and where it is least like its neighbours: sign and exponent.
const FORMS: [(&str, Function, [usize; 4]); 19] = [
    ("ex2.approx.ftz.f32", |x| flushed(ex2, x), [127, 125, 256 + 127, 256 + 133]),
    ("ex2.approx.f32", |x| ex2(f32::from_bits(x)), [0, 103, 256 + 134, 256 + 124]),
    ("lg2.approx.ftz.f32", |x| flushed(lg2, x), [126, 127, 128, 255]),
    ("lg2.approx.f32", |x| lg2(f32::from_bits(x)), [0, 1, 125, 256]),
    ("rcp.approx.ftz.f32", |x| flushed(rcp, x), [127, 254, 255, 256]),
    ("rcp.approx.f32", |x| rcp(f32::from_bits(x)), [0, 252, 253, 254]),
    ("rsqrt.approx.ftz.f32", |x| flushed(rsqrt, x), [127, 128, 255, 256]),
    ("rsqrt.approx.f32", |x| rsqrt(f32::from_bits(x)), [0, 254, 256, 257]),
    ("sqrt.approx.ftz.f32", |x| flushed(sqrt, x), [127, 128, 255, 256]),
    ("sqrt.approx.f32", |x| sqrt(f32::from_bits(x)), [0, 1, 254, 256]),
    ("sin.approx.ftz.f32", |x| flushed(sin, x), [110, 126, 129, 256 + 130]),
    ("sin.approx.f32", |x| sin(f32::from_bits(x)), [0, 120, 127, 150]),
    ("cos.approx.ftz.f32", |x| flushed(cos, x), [115, 127, 129, 256 + 130]),
    ("cos.approx.f32", |x| cos(f32::from_bits(x)), [0, 128, 151, 255]),
    ("tanh.approx.f32", |x| tanh(f32::from_bits(x)), [0, 119, 126, 256 + 128]),
    ("rcp.rn.ftz.f32", |x| bits32(flush(1.0 / flush(f32::from_bits(x)))), [127, 253, 254, 255]),
    ("rcp.rn.f32", |x| bits32(1.0 / f32::from_bits(x)), [0, 127, 253, 254]),
    ("sqrt.rn.ftz.f32", |x| bits32(flush(flush(f32::from_bits(x)).sqrt())), [0, 127, 128, 256]),
    ("sqrt.rn.f32", |x| bits32(f32::from_bits(x).sqrt()), [0, 1, 127, 128]),
];

fn sum(f: Function, binade: usize) -> u64 {
    (0..1u32 << 23).fold(0u64, |sum, mantissa| {
        let bits = f((binade as u32) << 23 | mantissa);
        let weight = (u64::from(mantissa) + 1).pow(2);
        sum.wrapping_add(u64::from(bits).wrapping_mul(weight))
    })
}

#[test]
fn every_result_of_an_approximate_function_is_an_h100s() {
    let mut text = String::new();
    let packed = include_bytes!("approximate.h100.zlib").as_slice();
    flate2::read::ZlibDecoder::new(packed).read_to_string(&mut text).expect("the sums");
    let known: Vec<(&str, Vec<u64>)> = text
        .lines()
        .map(|line| {
            let (name, sums) = line.split_once(' ').expect("a form");
            (name, sums.split(' ').map(|sum| u64::from_str_radix(sum, 16).expect("a sum")).collect())
        })
        .collect();
    let exhaustive = std::env::var_os("WARPBOOK_EXHAUSTIVE").is_some();
    let jobs: Vec<(usize, usize)> = (0..FORMS.len())
        .flat_map(|form| {
            let binades = if exhaustive { (0..512).collect() } else { FORMS[form].2.to_vec() };
            binades.into_iter().map(move |binade| (form, binade))
        })
        .collect();
    let (next, wrong) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || {
        while let Some(&(form, binade)) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
            let (name, f, _) = FORMS[form];
            assert_eq!(known[form].0, name);
            if sum(f, binade) != known[form].1[binade] {
                wrong.lock().expect("no panic").push(format!("{name}: sign and exponent {binade}"));
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
    let mut wrong = wrong.into_inner().expect("no panic");
    wrong.sort();
    println!(
        "{} binades of {} functions, {} results, {} binades differ",
        jobs.len(),
        FORMS.len(),
        jobs.len() << 23,
        wrong.len()
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
