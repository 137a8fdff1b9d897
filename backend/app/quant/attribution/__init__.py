"""Where a return came from: by position, by factor, by asset class, by published factors."""
