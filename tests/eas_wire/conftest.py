from hypothesis import settings

# A busy machine is no failure of the codec.
settings.register_profile("wire", deadline=None)
settings.load_profile("wire")
