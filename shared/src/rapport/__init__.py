"""The library that the services of Rapport share."""
