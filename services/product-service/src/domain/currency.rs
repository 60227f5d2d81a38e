//! Currencies, as ISO 4217 has them.

use std::fmt;

/// Those in use (ISO 4217, list one), without funds, metals and codes for tests.
const CODES: &str = "\
AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CLP CNY COP CRC \
CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR \
ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK \
MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE \
SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VED VES VND VUV WST XAF XCD XCG XOF \
XPF YER ZAR ZMW ZWG";

/// Why a text is no currency.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("write the code of a currency in use (ISO 4217), such as EUR")]
pub struct NoCurrency;

/// The code of a currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency(&'static str);

impl Currency {
    /// As text.
    pub fn as_str(self) -> &'static str {
        self.0
    }
}

impl Default for Currency {
    fn default() -> Self {
        Self("EUR")
    }
}

impl TryFrom<&str> for Currency {
    type Error = NoCurrency;

    fn try_from(text: &str) -> Result<Self, NoCurrency> {
        CODES.split(' ').find(|code| *code == text).map(Self).ok_or(NoCurrency)
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_those_in_use_are_known() {
        for good in ["EUR", "USD", "AED", "ZWG", "JPY"] {
            assert_eq!(Currency::try_from(good).unwrap().as_str(), good);
        }
        for bad in ["", "eur", "XXX", "EURO", "DEM", "EUR ", "EUR USD"] {
            assert_eq!(Currency::try_from(bad), Err(NoCurrency), "{bad:?}");
        }
    }
}
