//! The widest vector unit of the host, chosen at run time, so that one binary serves every machine.

/// Runs `body`, compiled for the widest vector unit that this machine has. Inline everything that it calls.
#[inline(always)]
pub fn widest<R>(body: impl FnOnce() -> R) -> R {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx2,fma,bmi2,f16c")]
        fn with_avx2<R>(body: impl FnOnce() -> R) -> R {
            body()
        }
        if std::arch::is_x86_feature_detected!("avx2")
            && std::arch::is_x86_feature_detected!("fma")
            && std::arch::is_x86_feature_detected!("bmi2")
            && std::arch::is_x86_feature_detected!("f16c")
        {
            // SAFETY: the features were just detected.
            return unsafe { with_avx2(body) };
        }
    }
    body()
}

/// Toward zero. The caller's value is finite and fits an `i32`.
#[inline(always)]
pub fn truncate(value: f32) -> i32 {
    debug_assert!(value.abs() < 2_147_483_648.0);
    // SAFETY: the caller's value is finite and in range.
    unsafe { value.to_int_unchecked() }
}
