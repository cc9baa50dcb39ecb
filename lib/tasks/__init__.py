"""Ways of turning images into poses; ``base`` declares what the engine may ask of one."""
