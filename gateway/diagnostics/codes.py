"""Every code there is: its constant summary and its severity. A code, once published, keeps its meaning."""

from __future__ import annotations

from typing import Final

E_, W_, I_ = "error", "warning", "info"

CODES: Final[dict[str, tuple[str, str]]] = {
    # reading
    "unreadable-file": ("A file cannot be read", E_),
    "not-utf8": ("The file is not UTF-8", E_),
    "empty-file": ("The file is empty", E_),
    "yaml-syntax": ("The file is not valid YAML", E_),
    "tab-indentation": ("A tab is used for indentation", E_),
    "duplicate-key": ("A key is written twice", E_),
    "not-a-mapping": ("The file is not a mapping", E_),
    "non-string-key": ("A key is not text", E_),
    "too-many-aliases": ("YAML aliases expand too far", E_),
    "too-large": ("The file is too large to be a configuration", E_),
    "too-deep": ("The file is nested too deeply", E_),
    "unknown-tag": ("A YAML tag is not known", E_),
    "several-documents": ("The file holds several YAML documents", E_),
    # shape
    "unknown-key": ("Unknown key", E_),
    "missing-key": ("A required key is missing", E_),
    "wrong-type": ("A value has the wrong type", E_),
    "unknown-word": ("A word is not one of those that are known here", E_),
    "out-of-range": ("A value is out of range", E_),
    "missing-unit": ("A number lacks its unit", E_),
    "bad-unit": ("A quantity cannot be read", E_),
    "bad-value": ("A value cannot be used here", E_),
    "not-supported-yet": ("This part of the language is not supported yet", E_),
    # references
    "unset-variable": ("An environment variable is not set", E_),
    "unreadable-secret": ("A referenced file cannot be read", E_),
    "secret-literal": ("A secret is written in the file", E_),
    "include-not-found": ("An include matches no file", E_),
    "declared-twice": ("A name is declared twice", E_),
    # names
    "unknown-provider": ("Unknown provider", E_),
    "unknown-preset": ("Unknown preset", E_),
    "unknown-protocol": ("Unknown protocol", E_),
    "unknown-model": ("Unknown model or combo", E_),
    "unknown-failure-kind": ("Unknown failure kind", E_),
    "name-collision": ("A name means two things", E_),
    "bad-name": ("A name cannot be used", E_),
    "cycle": ("Names lead back to themselves", E_),
    "shadowed-alias": ("A pattern does not answer for every name that it matches", I_),
    "allow-matches-nothing": ("An allow-list entry matches nothing", W_),
    # routes
    "no-targets": ("A route has no targets", E_),
    "repeated-target": ("A target is listed twice", E_),
    "unreachable-target": ("A target can never be tried first", W_),
    "inert-weight": ("A weight has no effect", E_),
    "bad-weight": ("Weights cannot be used", E_),
    "inert-option": ("An option has no effect with this strategy", E_),
    "too-few-targets": ("A strategy has too few targets", E_),
    "missing-judge": ("A panel has no judge", E_),
    "self-fallback": ("A fallback leads to what has just failed", E_),
    "smaller-window": ("A fallback for long prompts has no larger window", E_),
    "inert-provider": ("A provider is used by no model", W_),
    "inert-model": ("An internal model is used by no route", W_),
    "bad-pattern": ("A pattern cannot be used", E_),
    # facts of models
    "fallback-cannot-carry": ("A fallback cannot carry what its primary accepts", W_),
    "fallback-carries-less": ("A fallback is passed over for some requests", I_),
    "unknown-upstream": ("The provider is not known to have such a model", W_),
    "price-unknown": ("A price is not known, and is counted as nothing", W_),
    "price-required": ("A price is not known, and must be", E_),
    "odd-price": ("A price is unlikely", W_),
    "odd-window": ("An answer would be longer than the context window", W_),
    # providers and keys
    "missing-base-url": ("A provider has no base_url", E_),
    "bad-base-url": ("A base_url cannot be used", E_),
    "missing-setting": ("A provider lacks a setting that its address needs", E_),
    "unusable-credential": ("A credential cannot be used", E_),
    "unknown-auth": ("Unknown way to send a credential", E_),
    "missing-api-key": ("A provider has no API key", E_),
    "two-credentials": ("A provider has both api_key and api_keys", E_),
    "bad-header": ("A header cannot be sent", E_),
    "unverified-tls": ("Certificates are not verified", W_),
    "open-to-network": ("The gateway would be open to the network", E_),
    "no-keys": ("Nobody may call", E_),
    "bad-key": ("A key cannot be used", E_),
    "same-key": ("Two keys have the same secret", E_),
    "bad-listen": ("An address to listen on cannot be used", E_),
    "needs-restart": ("A change needs a restart", E_),
    # comments that accept findings
    "bad-accept": ("A comment cannot accept a finding", E_),
    "inert-accept": ("A comment accepts what is not found", W_),
}
