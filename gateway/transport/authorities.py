"""Files of certificate authorities, looked at before anything is sent."""

from __future__ import annotations

from pathlib import Path


def problem(file: Path) -> str | None:
    """Why a file of authorities (`tls.ca`) cannot be used; None where it can."""
    import ssl  # who has no such file need not wait for it

    try:
        if file.exists() and not file.is_file():
            return f"{file} is no file."
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=str(file))
    except ssl.SSLError:
        return f"{file} holds no certificate in PEM: it begins with -----BEGIN CERTIFICATE-----."
    except (OSError, ValueError) as error:
        return f"{file} cannot be read: {getattr(error, 'strerror', None) or error}."
    return None
