//! Descriptors of padded fp4 (`.b4x16_p64`) by `tma(…)`: the text says that its boxes count elements of half a byte.

use warpbook::session::Session;
use warpbook_test_support::notebook::{fails, run};

/// Two rows of a box of 128 elements, from element 128 of row 1 on, to `out` as shared memory holds them.
const KERNEL: &str = "// warpbook: threads=256 shared=1024 tensordesc=0/1/14/2x128/fp4
.version 8.7
.target sm_100a
.address_size 64
.extern .shared .align 1024 .b8 dynamic[];
.visible .entry k(.param .align 64 .b8 map[128], .param .u64 out)
.reqntid 256
{
    .reg .pred %p<3>;
    .reg .b32 %r<10>;
    .reg .b64 %rd<6>;
    mov.b64 %rd1, map;
    cvta.param.u64 %rd1, %rd1;
    ld.param.u64 %rd2, [out];
    mov.u32 %r1, %tid.x;
    setp.eq.u32 %p1, %r1, 0;
    mov.u32 %r2, dynamic;
    add.u32 %r3, %r2, 512;
    @%p1 mbarrier.init.shared::cta.b64 [%r3], 1;
    bar.sync 0;
    mov.u32 %r4, 128;
    mov.u32 %r5, 1;
    @%p1 mbarrier.arrive.expect_tx.shared.b64 _, [%r3], 128;
    @%p1 cp.async.bulk.tensor.2d.shared::cta.global.tile.mbarrier::complete_tx::bytes [%r2], [%rd1, {%r4, %r5}], [%r3];
wait:
    mbarrier.try_wait.parity.shared.b64 %p2, [%r3], 0;
    @!%p2 bra wait;
    add.u32 %r6, %r2, %r1;
    ld.shared.u8 %r7, [%r6];
    cvt.u64.u32 %rd3, %r1;
    add.s64 %rd4, %rd2, %rd3;
    st.global.u8 [%rd4], %r7;
    ret;
}
";

#[test]
fn a_box_of_padded_fp4_has_eight_bytes_and_eight_of_padding() {
    let mut session = Session::new();
    run(
        &mut session,
        "%target sm_100\n%buf packed = randint(0, 256, 3, 128, dtype=u8, seed=1)\n%buf out = ones(256, dtype=u8)",
    );
    run(&mut session, &format!("%%ptx k[1](tma(packed, [2, 64]), out)\n{KERNEL}"));
    run(&mut session, "%buf box = reshape(out, 2, 8, 16)");
    run(&mut session, "%check box[:, :, 0:8] == reshape(packed[1:3, 64:128], 2, 8, 8)");
    run(&mut session, "%check box[:, :, 8:16] == zeros(2, 8, 8, dtype=u8)");
}

#[test]
fn a_block_that_the_code_was_not_compiled_for_is_refused() {
    let mut session = Session::new();
    run(&mut session, "%target sm_100\n%buf packed = zeros(3, 128, dtype=u8)\n%buf out = zeros(256, dtype=u8)");
    for (block, kernel) in [("[2, 96]", KERNEL.to_owned()), ("[2, 64]", KERNEL.replace("/fp4", ""))] {
        let cell = format!("%%ptx k[1](tma(packed, {block}), out)\n{kernel}");
        let error = fails(&mut session, &cell);
        assert_eq!(error.code, "tensor-map", "{}", error.to_plain());
    }
}
