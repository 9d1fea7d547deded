//! The regions of AWS.

use crate::yaml::nearest_word;

/// The regions of all partitions, with the city or country that AWS names them after.
///
/// Source: `botocore/data/partitions.json` of botocore 1.43.11. New regions may be missing: a name
/// that has the form of a region is accepted.
pub const REGIONS: [(&str, &str); 46] = [
    // aws
    ("af-south-1", "Cape Town"),
    ("ap-east-1", "Hong Kong"),
    ("ap-east-2", "Taipei"),
    ("ap-northeast-1", "Tokyo"),
    ("ap-northeast-2", "Seoul"),
    ("ap-northeast-3", "Osaka"),
    ("ap-south-1", "Mumbai"),
    ("ap-south-2", "Hyderabad"),
    ("ap-southeast-1", "Singapore"),
    ("ap-southeast-2", "Sydney"),
    ("ap-southeast-3", "Jakarta"),
    ("ap-southeast-4", "Melbourne"),
    ("ap-southeast-5", "Malaysia"),
    ("ap-southeast-6", "New Zealand"),
    ("ap-southeast-7", "Thailand"),
    ("ca-central-1", "Canada"),
    ("ca-west-1", "Calgary"),
    ("eu-central-1", "Frankfurt"),
    ("eu-central-2", "Zurich"),
    ("eu-north-1", "Stockholm"),
    ("eu-south-1", "Milan"),
    ("eu-south-2", "Spain"),
    ("eu-west-1", "Ireland"),
    ("eu-west-2", "London"),
    ("eu-west-3", "Paris"),
    ("il-central-1", "Tel Aviv"),
    ("me-central-1", "UAE"),
    ("me-south-1", "Bahrain"),
    ("mx-central-1", "Mexico"),
    ("sa-east-1", "Sao Paulo"),
    ("us-east-1", "N. Virginia"),
    ("us-east-2", "Ohio"),
    ("us-west-1", "N. California"),
    ("us-west-2", "Oregon"),
    // aws-cn
    ("cn-north-1", "Beijing"),
    ("cn-northwest-1", "Ningxia"),
    // aws-eusc
    ("eusc-de-east-1", "Germany"),
    // aws-iso
    ("us-iso-east-1", ""),
    ("us-iso-west-1", ""),
    // aws-iso-b
    ("us-isob-east-1", ""),
    ("us-isob-west-1", ""),
    // aws-iso-e
    ("eu-isoe-west-1", ""),
    // aws-iso-f
    ("us-isof-east-1", ""),
    ("us-isof-south-1", ""),
    // aws-us-gov
    ("us-gov-east-1", ""),
    ("us-gov-west-1", ""),
];

/// Whether the table has this region.
pub fn is_known_region(name: &str) -> bool {
    REGIONS.iter().any(|(region, _)| *region == name)
}

/// The region that was probably meant: by its place ("Frankfurt"), as the region of an Availability
/// Zone ("eu-west-1a"), or the most similar name.
pub fn nearest_region(text: &str) -> Option<&'static str> {
    let zone_letter = |c: char| c.is_ascii_lowercase();
    let of_zone = text.strip_suffix(zone_letter).unwrap_or_default();
    let by_place = REGIONS.iter().find(|(region, place)| {
        *region == of_zone || (!place.is_empty() && place.eq_ignore_ascii_case(text.trim()))
    });
    match by_place {
        Some((region, _)) => Some(region),
        None => nearest_word(text, REGIONS.iter().map(|(region, _)| *region)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelled_regions_zones_and_places_are_recognized() {
        for (text, expected) in [
            ("eu-wst-1", Some("eu-west-1")),
            ("eu-west1", Some("eu-west-1")),
            ("us-east-1a", Some("us-east-1")),
            ("Frankfurt", Some("eu-central-1")),
            ("us_west_2", Some("us-west-2")),
            ("moon", None),
        ] {
            assert_eq!(nearest_region(text), expected, "{text}");
        }
        assert!(is_known_region("us-gov-west-1") && !is_known_region("aws-global"));
    }
}
