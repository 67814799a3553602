from models import get_user

from flask_tessera import Tessera

tessera = Tessera(user_id_type=int, load_user="always")
tessera.user_loader(get_user)

create_token = tessera.create_token
verify_token = tessera.verify_token
login_required = tessera.login_required
