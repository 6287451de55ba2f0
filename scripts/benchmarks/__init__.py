"""What running notebooks costs here and elsewhere, measured."""
