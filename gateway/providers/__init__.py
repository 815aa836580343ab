"""Where and who: providers as rows of data, their URLs, their ways to sign.

How a wire is spoken is not known here (protocols/); which provider is asked is decided elsewhere (routing/).
"""
