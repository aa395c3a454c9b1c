/**
 * DNS name that every peer's certificate carries as an alternative name, and that is asked for when a
 * peer is dialled: addresses change, and a certificate of the same authority for other uses is no peer's.
 */
export const PEER_ROLE = "weft-peer";
