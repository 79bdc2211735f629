use super::*;
use crate::ast::{Initializer, Statement};
use crate::types::Space;

const KERNEL: &str = r#"
.version 8.4
.target sm_80
.address_size 64
.extern .shared .align 16 .b8 global_smem[];
.global .align 1 .b8 assertMessage_0[5] = {65, 66, 67, 68, 0};
.extern .func __assertfail ( .param .b64 a, .param .b32 b ) .noreturn;
.visible .entry add(
.param .u64 .ptr .global .align 1 add_param_0,
.param .u32 add_param_1,
.param .align 64 .b8 add_param_2[128]
)
.reqntid 128, 1, 1
{
.reg .pred %p<3>;
.reg .b32 %r<5>;
.loc 1 14 29
ld.param.u64 %rd1, [add_param_0];
// begin inline asm
{ .reg .pred q; setp.ne.s32 q, %r1, 0; @!q ld.global.v2.b32 { %r1, %r2 }, [ %rd1 + -16 ]; }
// end inline asm
$L__BB0_1:
@%p1 bra $L__BB0_1;
mov.b32 {%r1, _}, %rd1; setp.lt.f32 %p1|%p2, %r1, 0f3F800000;
call.uni (retval0), vprintf, (param0, param1);
$L__tmp1:
.loc 1 291 36, function_name $L__info_string0, inlined_at 1 20 8
ret;
}
.file 1 "/x" "add.py"
.section .debug_abbrev { .b8 1 .b8 2 }
"#;

#[test]
fn a_module_of_triton_s_shape() {
    let module = parse(KERNEL).expect("parses");
    assert_eq!((module.version, module.target.as_str()), ((8, 4), "sm_80"));
    assert_eq!(module.variables.len(), 2);
    assert!(module.variables[0].is_extern && module.variables[0].size == 0);
    assert_eq!(module.variables[1].initializer, Some(Initializer::Bytes(b"ABCD\0".to_vec())));
    assert_eq!(module.file(1), Some("/x/add.py"));
    let entry = module.entries().next().expect("an entry");
    assert_eq!((entry.name.as_str(), entry.reqntid), ("add", Some([128, 1, 1])));
    let sizes: Vec<_> = entry.params.iter().map(|p| (p.size(), p.align, p.pointee)).collect();
    assert_eq!(sizes, [(8, 8, Some(Space::Global)), (4, 4, None), (128, 64, None)]);
    let body = entry.body.as_ref().expect("a body");
    assert_eq!(body.iter().filter(|s| matches!(s, Statement::Block(_))).count(), 1);
    let inlined = body.iter().rev().find_map(|s| if let Statement::Line(line) = s { Some(*line) } else { None });
    assert_eq!(inlined.and_then(|line| line.inlined_at), Some((1, 20, 8)));
}

#[test]
fn an_error_has_its_place_and_what_was_expected() {
    let text = ".version 8.4\n.target sm_80\n.visible .entry k() { mov.u32 %r1 %r2; }";
    let error = parse(text).expect_err("a comma is missing");
    assert_eq!(error.message, "expected `,` or `;`");
    assert_eq!(&text[error.labels[0].span.clone()], "%r2");
}

#[test]
fn cut_and_mangled_text_never_panics() {
    for end in 0..KERNEL.len() {
        if KERNEL.is_char_boundary(end) {
            let _ = parse(&KERNEL[..end]);
        }
    }
    assert!(parse(&"{".repeat(100_000)).is_err());
    assert!(parse(&format!(".visible .entry k() {}", "{".repeat(100_000))).is_err());
}
