"""Brings models here: downloads, unpacks and keeps them."""
