"""How fast it is, beside something everybody can judge: `rapport bench` runs one module per part of the platform."""
