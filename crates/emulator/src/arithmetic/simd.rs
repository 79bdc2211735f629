//! The widest vector unit of the host, chosen at run time, so that one binary serves every machine.

/// What the host's vector unit can do. The results are the same bits with each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Level {
    /// What every processor of the target has.
    Portable = 1,
    /// Vectors of 256 bits.
    Avx2,
    /// Vectors of 512 bits.
    Avx512,
}

impl std::fmt::Display for Level {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Portable => "portable",
            Self::Avx2 => "AVX2",
            Self::Avx512 => "AVX-512",
        })
    }
}

/// The level that is used: that of this machine, and no more than `WARPBOOK_VECTOR_UNIT` says (`portable`, `avx2`), by
/// which tests and benchmarks try the lower ones. Looked up once.
#[inline(always)]
pub fn level() -> Level {
    use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
    static KNOWN: AtomicU8 = AtomicU8::new(0);
    match KNOWN.load(Relaxed) {
        3 => Level::Avx512,
        2 => Level::Avx2,
        1 => Level::Portable,
        _ => {
            let level = detect().min(limit());
            KNOWN.store(level as u8, Relaxed);
            level
        }
    }
}

#[cold]
fn detect() -> Level {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::is_x86_feature_detected as has;
        if has!("avx2") && has!("fma") && has!("bmi2") && has!("f16c") {
            let wide = has!("avx512f") && has!("avx512bw") && has!("avx512dq") && has!("avx512vl");
            return if wide { Level::Avx512 } else { Level::Avx2 };
        }
    }
    Level::Portable
}

#[cold]
fn limit() -> Level {
    match std::env::var("WARPBOOK_VECTOR_UNIT").as_deref() {
        Ok("portable") => Level::Portable,
        Ok("avx2") => Level::Avx2,
        _ => Level::Avx512,
    }
}

/// Makes a function whose body is compiled for every [`Level`] and that calls the one for this machine. What the body
/// calls has to be inlined, or it is compiled for the portable level only.
macro_rules! widest {
    (
        $(#[$meta:meta])*
        $visibility:vis fn $name:ident $(<$(const $generic:ident: $kind:ty),+>)? (
            $($argument:ident: $type:ty),* $(,)?
        ) $(-> $result:ty)? $body:block
    ) => {
        $(#[$meta])*
        $visibility fn $name $(<$(const $generic: $kind),+>)? ($($argument: $type),*) $(-> $result)? {
            #[inline(always)]
            fn body $(<$(const $generic: $kind),+>)? ($($argument: $type),*) $(-> $result)? $body

            #[cfg(target_arch = "x86_64")]
            {
                use $crate::arithmetic::simd::Level;
                #[target_feature(enable = "avx2,fma,bmi2,f16c")]
                fn avx2 $(<$(const $generic: $kind),+>)? ($($argument: $type),*) $(-> $result)? {
                    body $(::<$($generic),+>)? ($($argument),*)
                }
                #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,bmi2,f16c")]
                fn avx512 $(<$(const $generic: $kind),+>)? ($($argument: $type),*) $(-> $result)? {
                    body $(::<$($generic),+>)? ($($argument),*)
                }
                match $crate::arithmetic::simd::level() {
                    // SAFETY: the features of the level were detected.
                    Level::Avx512 => return unsafe { avx512 $(::<$($generic),+>)? ($($argument),*) },
                    // SAFETY: as above.
                    Level::Avx2 => return unsafe { avx2 $(::<$($generic),+>)? ($($argument),*) },
                    Level::Portable => {}
                }
            }
            body $(::<$($generic),+>)? ($($argument),*)
        }
    };
}
pub(crate) use widest;

/// Toward zero. The caller's value is finite and fits an `i32`.
#[inline(always)]
pub fn truncate(value: f32) -> i32 {
    debug_assert!(value.abs() < 2_147_483_648.0);
    // SAFETY: the caller's value is finite and in range.
    unsafe { value.to_int_unchecked() }
}
