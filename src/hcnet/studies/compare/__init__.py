"""Table 1 and Fig. 3: published networks and the method under one protocol."""
