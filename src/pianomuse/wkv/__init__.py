"""The WKV-7 operator."""
