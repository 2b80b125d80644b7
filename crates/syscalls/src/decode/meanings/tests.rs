//! Tests of the text: each of its words means something for some ABI.

use super::*;
use crate::Parameter;

fn parameter() -> Parameter {
    Parameter {
        name: "x".into(),
        ctype: "int".into(),
    }
}

#[test]
fn every_line_means_something() {
    for (name, lines) in lines() {
        let declared = |abi: &Abi| fallback::declaration(*abi, name).is_some();
        let abis: Vec<Abi> = Abi::ALL.into_iter().filter(declared).collect();
        assert!(!abis.is_empty(), "`{name}` is no call");
        for abi in abis {
            let found = of_call(abi, name);
            for known in &found {
                let form = Form::new(abi, name, &parameter());
                let is_known = match known.word.strip_prefix('*') {
                    Some("[2]") => true,
                    Some(word) => Pointee::named(abi, word).is_some(),
                    None => known.form(abi, form).is_some(),
                };
                assert!(is_known, "{abi} {name}: `{}`", known.word);
            }
        }
        let words: usize = lines.iter().map(|line| line.words.split(' ').count()).sum();
        let most = Abi::ALL
            .into_iter()
            .map(|abi| of_call(abi, name).len())
            .max();
        assert_eq!(
            most,
            Some(words),
            "`{name}` has no such parameter or constant"
        );
    }
}

#[test]
fn every_constant_of_a_condition_is_known() {
    for (name, lines) in lines() {
        for line in lines.iter().filter(|line| !line.constants.is_empty()) {
            let is_known = |constant: &str| {
                Abi::ALL
                    .into_iter()
                    .any(|abi| selector(abi, &of_call(abi, name), constant).is_some())
            };
            for constant in line.constants.split(',') {
                assert!(is_known(constant), "{name}: `{constant}`");
            }
        }
    }
}

#[test]
fn a_condition_names_the_argument_it_looks_at() {
    let found = of_call(Abi::X86_64, "setsockopt");
    let tcp = found
        .iter()
        .find(|known| known.word == "tcp_option")
        .expect("it is there");
    let condition = Condition {
        arg: 1,
        mask: u64::MAX,
        values: vec![6],
    };
    assert_eq!((tcp.arg, &tcp.only), (2, &Some(condition)));
    assert!(of_call(Abi::X86_64, "getpid").is_empty());
}
