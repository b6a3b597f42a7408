//! Tests of the cipher suites: published vectors, both sides of a log-in, and every bit of a sealed packet.

use super::super::packet::Datagram;
use super::*;

fn exchange(suite: Suite) -> Exchange<'static> {
    Exchange {
        suite,
        console: 0x0403_0201,
        bmc: 0x0807_0605,
        console_random: [0x11; 16],
        bmc_random: [0x22; 16],
        guid: [0x33; 16],
        role: 0x14,
        user: b"admin",
        password: b"secret",
        bmc_key: None,
    }
}

#[test]
fn hashes_are_those_of_rfc_2202_and_rfc_4231() {
    let text: &[&[u8]] = &[b"what do ya want ", b"for nothing?"];
    let sha1 = keyed_hash(Suite::Three, b"Jefe", text);
    assert_eq!(sha1[..4], [0xef, 0xfc, 0xdf, 0x6a]);
    let sha256 = keyed_hash(Suite::Seventeen, b"Jefe", text);
    assert_eq!(sha256[..4], [0x5b, 0xdc, 0xc1, 0x46]);
    assert_eq!((sha1.len(), sha256.len()), (20, 32));
}

#[test]
fn decryption_is_aes_cbc_of_sp_800_38a() {
    let aes = [0x2b, 0x7e, 0x15, 0x16, 0x28, 0xae, 0xd2, 0xa6, 0xab, 0xf7, 0x15, 0x88, 0x09, 0xcf, 0x4f, 0x3c];
    let keys = Keys { suite: Suite::Three, integrity: Zeroizing::new(Vec::new()), aes: Zeroizing::new(aes) };
    let vector: [u8; 16] = std::array::from_fn(|at| at as u8);
    let block = [0x76, 0x49, 0xab, 0xac, 0x81, 0x19, 0xb2, 0x46, 0xce, 0xe9, 0x8e, 0x9b, 0x12, 0xe9, 0x19, 0x7d];
    // The vector's plain text 6b c1 .. 17 2a is no IPMI padding; the same block under the vector that makes its end 0 is.
    let mut shifted = vector;
    shifted[15] ^= 0x2a;
    let plain = keys.decrypt(&[shifted, block].concat()).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(plain[..4], [0x6b, 0xc1, 0xbe, 0xe2]);
    assert_eq!((plain.len(), plain[14]), (15, 0x17));
    assert!(keys.decrypt(&[vector, block].concat()).is_err(), "a padding of 42 bytes");
}

#[test]
fn the_codes_of_one_side_are_those_of_the_other_and_a_wrong_password_is_noticed() {
    for suite in [Suite::Three, Suite::Seventeen] {
        let good = exchange(suite);
        let bad = Exchange { password: b"Secret", ..exchange(suite) };
        assert!(good.second_is(&good.second()) && good.third_is(&good.third()) && good.fourth_is(&good.fourth()));
        assert!(!good.second_is(&bad.second()) && !good.third_is(&bad.third()) && !good.fourth_is(&bad.fourth()));
        let cut = good.second();
        assert!(!good.second_is(&cut[..12]) && !good.second_is(&[]) && !good.fourth_is(&good.fourth()[..4]));
        // A key of the BMC changes the session's key, not the proof of the user.
        let with_key = Exchange { bmc_key: Some(b"kg"), ..exchange(suite) };
        assert!(good.second_is(&with_key.second()) && !good.fourth_is(&with_key.fourth()));
        // Zeros behind the password change nothing: BMCs keep 20 bytes.
        let mut padded = *b"secret\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
        let same = Exchange { password: &mut padded, ..exchange(suite) };
        assert!(good.second_is(&same.second()));
    }
}

#[test]
fn what_is_sealed_opens_and_one_bit_wrong_does_not() {
    for suite in [Suite::Three, Suite::Seventeen] {
        let keys = exchange(suite).keys();
        for length in [0, 1, 7, 14, 15, 16, 17, 255] {
            let payload: Vec<u8> = (0..length).map(|at| at as u8).collect();
            let bytes = keys.seal(PayloadKind::IPMI, 7, 9, &payload);
            let Ok(Datagram::Plus(packet)) = Datagram::parse(&bytes) else { panic!("{length}") };
            assert_eq!(keys.open(&packet).map(|p| p.to_vec()), Ok(payload));
        }
        let bytes = keys.seal(PayloadKind::IPMI, 7, 9, &[1, 2, 3]);
        for bit in 32..bytes.len() * 8 {
            let mut bad = bytes.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            if let Ok(Datagram::Plus(packet)) = Datagram::parse(&bad) {
                assert!(keys.open(&packet).is_err(), "bit {bit}");
            }
        }
    }
}
