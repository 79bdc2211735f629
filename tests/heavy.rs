//! What takes minutes: whole kernels of three architectures, kernels of other people's packages, a browser, kills at random
//! moments. `cargo xtask test full` runs it, and so does `cargo test --test heavy -- --ignored`.

mod blackwell;
mod browser;
mod endurance;
mod hopper;
mod kernel_test;
mod mutations;
mod operations;
mod real_kernels;
mod triton_suite;
mod whole_kernels;
