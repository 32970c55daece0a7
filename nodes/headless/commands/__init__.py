"""The commands of ``lumenfall``, one file each."""
