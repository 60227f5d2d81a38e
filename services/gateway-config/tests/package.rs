//! What is packed is what is unpacked, and nothing else is.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

use flotilla_gateway_config::package::{
    Index, PART_LIMIT, PackError, Packer, Part, UnpackError, Unpacking, WHOLE_LIMIT, pack,
};
use proptest::prelude::*;

fn unpack(index: &Index, parts: &[Vec<u8>], most: usize) -> Result<Vec<u8>, UnpackError> {
    let mut unpacking = Unpacking::new(most);
    for (part, bytes) in index.parts.iter().zip(parts) {
        unpacking.add(part, bytes)?;
    }
    unpacking.finish(index)
}

/// Text that shrinks, and bytes that do not.
fn config() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        "(\\{\"name\":\"[a-z]{1,8}\"\\}){0,200}".prop_map(String::into_bytes),
        proptest::collection::vec(any::<u8>(), 0..4_000),
    ]
}

proptest! {
    #[test]
    fn a_whole_comes_back(config in config(), limit in 24usize..1_000) {
        let (index, parts) = pack("shop", &config, limit).unwrap();
        prop_assert_eq!(index.parts.len(), parts.len());
        prop_assert!(parts.iter().all(|part| part.len() <= limit));
        let names: Vec<_> = index.parts.iter().map(|part| part.name.clone()).collect();
        let wanted: Vec<_> = match parts.len() {
            1 => vec!["shop".to_owned()],
            count => (0..count).map(|number| format!("shop-{number}")).collect(),
        };
        prop_assert_eq!(names, wanted);
        let read = Index::read(&serde_json::to_vec(&index).unwrap()).unwrap();
        prop_assert_eq!(&read, &index);
        prop_assert_eq!(unpack(&read, &parts, config.len()).unwrap(), config.clone());
        prop_assert_eq!(pack("shop", &config, limit).unwrap(), (index, parts));
    }

    #[test]
    fn a_part_that_is_another_is_named(config in config(), limit in 24usize..200, at: usize, bit in 0u8..8) {
        let (index, mut parts) = pack("shop", &config, limit).unwrap();
        let number = at % parts.len();
        let byte = at % parts[number].len();
        parts[number][byte] ^= 1 << bit;
        match unpack(&index, &parts, config.len()) {
            Err(UnpackError::Changed { name, .. }) => prop_assert_eq!(&name, &index.parts[number].name),
            other => prop_assert!(false, "{other:?}"),
        }
    }

    #[test]
    fn parts_in_another_order_are_another_whole(config in config(), limit in 24usize..200, at: usize) {
        let (index, mut parts) = pack("shop", &config, limit).unwrap();
        prop_assume!(parts.len() > 1);
        let number = at % (parts.len() - 1);
        prop_assume!(parts[number] != parts[number + 1]);
        // The index agrees with the parts; only the order is wrong.
        let mut swapped = index.clone();
        swapped.parts.swap(number, number + 1);
        parts.swap(number, number + 1);
        let unpacked = unpack(&swapped, &parts, config.len());
        prop_assert!(matches!(unpacked, Err(UnpackError::Version { .. })), "{unpacked:?}");
        // Without the last part it is another whole too.
        let (_, without_last) = parts.split_last().unwrap();
        let unpacked = unpack(&swapped, without_last, config.len());
        prop_assert!(matches!(unpacked, Err(UnpackError::Version { .. })), "{unpacked:?}");
    }

    #[test]
    fn no_more_is_unpacked_than_there_is_room_for(config in config(), limit in 24usize..200, less in 1usize..50) {
        prop_assume!(config.len() >= less);
        let (index, parts) = pack("shop", &config, limit).unwrap();
        let most = config.len() - less;
        let unpacked = unpack(&index, &parts, most);
        prop_assert!(matches!(unpacked, Err(UnpackError::TooLarge(found)) if found == most), "{unpacked:?}");
    }

    #[test]
    fn no_index_makes_it_panic(json in "\\PC*", bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
        prop_assert!(Index::read(json.as_bytes()).is_err());
        prop_assert!(Index::read(&bytes).is_err());
    }
}

/// Lists of objects, each with some that were added, taken away or changed since the one before.
fn lists() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let change = (any::<prop::sample::Index>(), 0..3, "[a-z]{1,40}");
    ("[a-z ]{0,20}", proptest::collection::vec("[a-z]{1,40}", 1..60), proptest::collection::vec(change, 1..8))
        .prop_map(|(head, mut names, changes)| {
            let written = |names: &[String]| {
                let objects: Vec<_> = names.iter().map(|name| format!("{{\"name\":\"{name}\"}}")).collect();
                format!("{head}[{}]", objects.join(",")).into_bytes()
            };
            let mut lists = vec![written(&names)];
            for (at, what, name) in changes {
                let at = at.index(names.len());
                match what {
                    0 => names.insert(at, name),
                    1 if names.len() > 1 => drop(names.remove(at)),
                    _ => names[at] = name,
                }
                lists.push(written(&names));
            }
            lists
        })
}

proptest! {
    #[test]
    fn what_was_packed_before_changes_nothing(lists in lists(), least in 1usize..200, limit in 24usize..400) {
        let mut packer = Packer::new(least);
        for list in lists {
            let packed = packer.pack("shop", &list.clone().into(), limit).unwrap();
            prop_assert_eq!(&packed, &Packer::new(least).pack("shop", &list.clone().into(), limit).unwrap());
            prop_assert_eq!(unpack(&packed.0, &packed.1, list.len()).unwrap(), list);
        }
    }
}

/// How many bytes two texts have in common at both ends.
fn common(one: &[u8], other: &[u8]) -> usize {
    let count =
        |pairs: &mut dyn Iterator<Item = (&u8, &u8)>| pairs.take_while(|(one, other)| one == other).count();
    count(&mut one.iter().zip(other)) + count(&mut one.iter().rev().zip(other.iter().rev()))
}

#[test]
fn a_change_in_the_middle_leaves_the_rest_of_a_large_whole_as_it_is_packed() {
    let list = |changed: Option<usize>| -> Vec<u8> {
        let object = |number: usize| {
            let more = if changed == Some(number) { ",\"more\":\"of it\"" } else { "" };
            format!("{{\"name\":\"route-{number}\",\"hostnames\":[\"h{number}.example.com\"]{more}}}")
        };
        format!("[{}]", (0..20_000).map(object).collect::<Vec<_>>().join(",")).into_bytes()
    };
    let packed = |list: &[u8]| pack("shop", list, PART_LIMIT).unwrap().1.remove(0);
    let (before, after) = (packed(&list(None)), packed(&list(Some(10_000))));
    assert_ne!(before, after);
    assert!(
        common(&before, &after) > before.len() * 9 / 10,
        "{} of {}",
        common(&before, &after),
        before.len()
    );
}

#[test]
fn a_bomb_is_refused_before_it_fills_memory() {
    const MOST: usize = 1 << 20;
    let (mut index, mut parts) = pack("shop", &vec![b' '; MOST], PART_LIMIT).unwrap();
    assert!(parts.len() == 1 && parts[0].len() < MOST / 50, "{}", parts[0].len());
    // The same once more: each part alone is small enough.
    index.parts.push(index.parts[0].clone());
    parts.push(parts[0].clone());
    let mut unpacking = Unpacking::new(MOST);
    unpacking.add(&index.parts[0], &parts[0]).unwrap();
    assert!(matches!(unpacking.add(&index.parts[1], &parts[1]), Err(UnpackError::TooLarge(MOST))));
}

#[test]
fn what_no_gateway_takes_is_not_packed() {
    let packed = pack("shop", &vec![0; WHOLE_LIMIT + 1], PART_LIMIT);
    assert!(matches!(packed, Err(PackError::TooLarge(_))));
}

#[test]
fn what_is_wrong_is_named() {
    let (index, parts) = pack("shop", b"{}", PART_LIMIT).unwrap();
    assert_eq!(index.version, "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a");
    let error = Unpacking::new(10).add(&index.parts[0], b"other").unwrap_err().to_string();
    assert!(error.starts_with("part.json.gz of Secret shop: its SHA-256 is d9298a10"), "{error}");
    let mut other = index.clone();
    other.version = "1".to_owned();
    let error = unpack(&other, &parts, 10).unwrap_err().to_string();
    assert!(error.ends_with("the version is 1"), "{error}");
    let error = Index::read(br#"{"version": 1}"#).unwrap_err().to_string();
    assert!(error.starts_with("index.json: invalid type: integer `1`"), "{error}");
    let plain = b"{} but not compressed";
    let Err(UnpackError::Changed { found: digest, .. }) = Unpacking::new(100).add(&index.parts[0], plain)
    else {
        panic!("another part is taken");
    };
    let error = Unpacking::new(100).add(&Part { name: "shop".to_owned(), digest }, plain).unwrap_err();
    assert!(error.to_string().starts_with("part.json.gz of Secret shop: "), "{error}");
    assert!(matches!(error, UnpackError::Compressed { .. }), "{error}");
    assert!(matches!(pack("shop", b"{}", 3), Err(PackError::NoRoom(3))));
}
